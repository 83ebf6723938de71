import { Gateway, type GatewayOptions, type ListenerOptions, type ResolveFunction, type Resolver } from '@proxy/kernel'
import { transportUnderTest } from '@proxy/test-servers/transport'
import { backendTls } from '@proxy/tls'
import { type MysqlOptions, mysql } from '../src/index.ts'

export interface TestGateway extends AsyncDisposable {
  readonly gateway: Gateway
  readonly port: number
}

export interface TestGatewayOptions extends Omit<GatewayOptions, 'listeners' | 'resolver'> {
  readonly protocol?: MysqlOptions
  readonly listener?: Partial<Omit<ListenerOptions, 'protocol'>>
}

/** A gateway with one listener, in front of servers on the loopback. Errors that no client caused fail the test. */
export async function openGateway(
  resolver: Resolver | ResolveFunction,
  options: TestGatewayOptions = {},
): Promise<TestGateway> {
  const { protocol, listener, ...rest } = options
  const gateway = new Gateway({
    resolver,
    guard: { allow: ['127.0.0.0/8'] },
    backendTls: backendTls(),
    listeners: [{ address: '127.0.0.1:0', protocol: mysql(protocol), ...listener }],
    transport: transportUnderTest(),
    ...rest,
  })
  const faults: unknown[] = []
  gateway.hooks.on('gateway:error', ({ error }) => faults.push(error))
  await gateway.open()
  return {
    gateway,
    port: gateway.addresses[0]!.port,
    [Symbol.asyncDispose]: async () => {
      await gateway.close()
      if (faults.length > 0) throw new AggregateError(faults, 'the gateway reported errors')
    },
  }
}

/** Sends everything to one server. */
export const to = (server: { readonly endpoint: string }): ResolveFunction => {
  return () => server.endpoint
}
