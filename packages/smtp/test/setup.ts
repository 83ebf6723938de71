import { Gateway, type GatewayOptions, type ListenerOptions, type ResolveFunction, type Resolver } from '@proxy/kernel'
import { type Output, run } from '@proxy/test-servers'
import { transportUnderTest } from '@proxy/test-servers/transport'
import { backendTls } from '@proxy/tls'
import { createTransport, type SentMessageInfo } from 'nodemailer'
import type { Options as MailOptions } from 'nodemailer/lib/mailer/index.js'
import type { Options as TransportOptions } from 'nodemailer/lib/smtp-transport/index.js'
import { type SmtpOptions, smtp } from '../src/index.ts'

export interface TestGateway extends AsyncDisposable {
  readonly gateway: Gateway
  readonly port: number
  /** `host:port`, for programs that want it so. */
  readonly endpoint: string
}

export interface TestGatewayOptions extends Omit<GatewayOptions, 'listeners' | 'resolver'> {
  readonly protocol?: SmtpOptions
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
    listeners: [{ address: '127.0.0.1:0', protocol: smtp({ hostname: 'gateway.test', ...protocol }), ...listener }],
    transport: transportUnderTest(),
    ...rest,
  })
  const faults: unknown[] = []
  gateway.hooks.on('gateway:error', ({ error }) => faults.push(error))
  await gateway.open()
  const { port } = gateway.addresses[0]!
  return {
    gateway,
    port,
    endpoint: `127.0.0.1:${port}`,
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

export const envelope: { readonly from: string; readonly to: string } = {
  from: 'ann@client.test',
  to: 'bob@alpha.test',
}

/** One mail by nodemailer, which says EHLO as `name`. */
export async function mail(
  port: number,
  transport: TransportOptions = {},
  message: MailOptions = {},
): Promise<SentMessageInfo> {
  const sender = createTransport({ host: '127.0.0.1', port, name: 'alpha.test', ignoreTLS: true, ...transport })
  try {
    return await sender.sendMail({ ...envelope, subject: 'greetings', text: 'hello', ...message })
  } finally {
    sender.close()
  }
}

/** `swaks`, as it prints: `<-` before replies, `<**` before those that are errors. */
export function swaks(endpoint: string, ...options: string[]): Promise<Output> {
  return run('swaks', ['--server', endpoint, '--from', envelope.from, '--to', envelope.to, ...options])
}
