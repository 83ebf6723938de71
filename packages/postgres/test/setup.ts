import { Gateway, type GatewayOptions, type ListenerOptions, type ResolveFunction, type Resolver } from '@proxy/kernel'
import { type LaunchOptions, type Output, type PostgresServer, run } from '@proxy/test-servers'
import { transportUnderTest } from '@proxy/test-servers/transport'
import { backendTls } from '@proxy/tls'
import { type PostgresOptions, postgres } from '../src/index.ts'

export interface TestGateway extends AsyncDisposable {
  readonly gateway: Gateway
  readonly port: number
}

export interface TestGatewayOptions extends Omit<GatewayOptions, 'listeners' | 'resolver'> {
  readonly protocol?: PostgresOptions
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
    listeners: [{ address: '127.0.0.1:0', protocol: postgres(protocol), ...listener }],
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
export const to = (server: PostgresServer): ResolveFunction => {
  return () => server.endpoint
}

/** `psql` with a connection string of keywords, unaligned and without headers. */
export function psql(connection: string, sql: string, options: LaunchOptions = {}): Promise<Output> {
  return run('psql', ['-XAt', '-v', 'ON_ERROR_STOP=1', '-d', connection, '-c', sql], {
    ...options,
    env: { PGPASSWORD: 'demo', PGCONNECT_TIMEOUT: '10', ...options.env },
  })
}

export const at = (port: number, more = ''): string => `host=127.0.0.1 port=${port} user=demo ${more}`
