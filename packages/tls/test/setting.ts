import { once } from 'node:events'
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls'
import {
  type Address,
  Gateway,
  type GatewayOptions,
  Hooks,
  type Protocol,
  type Session,
  type SessionEndEvent,
  type TlsInfo,
} from '@proxy/kernel'
import { type CertificateAuthority, certificateAuthority, echo, tcpBackend } from '@proxy/test-servers'
import { transportUnderTest } from '@proxy/test-servers/transport'
import { afterAll, beforeAll, onTestFinished } from 'vitest'
import type { ReloadableTls } from '../src/index.ts'

/** An authority for the tests of a file. Call it in a `describe`. */
export function authority(name?: string): { readonly current: CertificateAuthority } {
  let made: CertificateAuthority | undefined
  beforeAll(() => {
    made = certificateAuthority(name)
  })
  afterAll(() => made?.dispose())
  return {
    get current(): CertificateAuthority {
      if (made === undefined) throw new Error('used before beforeAll')
      return made
    },
  }
}

/** Says on its first line what the gateway knows of the client's TLS, then sends everything back by way of a backend. */
export function reporter(alpn: readonly string[] = []): Protocol {
  return {
    api: 1,
    name: 'reporter',
    speaksFirst: 'server',
    defaultPort: 1,
    alpn,
    halfClose: true,
    async serve(session: Session): Promise<void> {
      if (session.tlsMode === 'negotiated') await startTls(session)
      const upstream = await session.route(session.client.tls?.serverName ?? 'none')
      await session.client.write(`${JSON.stringify(session.client.tls)}\n`)
      await session.relay(upstream)
    },
  }
}

async function startTls(session: Session): Promise<void> {
  await session.client.read((bytes) => bytes.indexOf('\n') + 1)
  await session.client.secure('GO\n')
}

export interface Setting {
  readonly gateway: Gateway
  readonly address: Address
  readonly hooks: Hooks
  /** The end of the next session. */
  ended(): Promise<SessionEndEvent>
}

/** A gateway with one TLS listener in front of an echo server, closed when the test is over. */
export async function setting(
  tls: ReloadableTls,
  protocol: Protocol = reporter(),
  options: Partial<GatewayOptions> = {},
): Promise<Setting> {
  const backend = await tcpBackend(echo)
  const hooks = new Hooks()
  const gateway = new Gateway({
    listeners: [{ address: '127.0.0.1:0', protocol, tls, limits: { handshakeTimeoutMs: 5_000 } }],
    resolver: () => backend.endpoint,
    guard: false,
    hooks,
    transport: transportUnderTest(),
    ...options,
  })
  await gateway.open()
  onTestFinished(async () => {
    await gateway.close()
    await backend.close()
  })
  const ended = (): Promise<SessionEndEvent> =>
    new Promise((resolve) => {
      const off = hooks.on('session:end', (event) => {
        off()
        resolve(event)
      })
    })
  return { gateway, address: gateway.addresses[0]!, hooks, ended }
}

/** A client's view of its connection. */
export class Client {
  readonly socket: TLSSocket
  /** What the gateway knows of us. */
  readonly report: TlsInfo
  #buffered: string

  constructor(socket: TLSSocket, report: TlsInfo, rest: string) {
    this.socket = socket
    this.report = report
    this.#buffered = rest
  }

  /** Common name of the certificate that the server showed. */
  get serverCertificate(): string {
    return String(this.socket.getPeerCertificate().subject.CN)
  }

  async echo(text: string): Promise<string> {
    this.socket.write(text)
    while (this.#buffered.length < text.length) this.#buffered += String((await once(this.socket, 'data'))[0])
    const answer = this.#buffered.slice(0, text.length)
    this.#buffered = this.#buffered.slice(text.length)
    return answer
  }
}

/** Connects with Node's client and reads the report. Rejects with the client's error when it is not let in. */
export function join(address: Address, options: ConnectionOptions): Promise<Client> {
  const socket = connect({ host: address.host, port: address.port, ...options })
  onTestFinished(() => void socket.destroy())
  socket.setEncoding('utf8')
  return new Promise((resolve, reject) => {
    let text = ''
    const onData = (chunk: string): void => {
      text += chunk
      const end = text.indexOf('\n')
      if (end === -1) return
      socket.off('data', onData)
      resolve(new Client(socket, JSON.parse(text.slice(0, end)) as TlsInfo, text.slice(end + 1)))
    }
    socket.on('data', onData)
    socket.on('error', reject)
    socket.on('close', () => reject(new Error('closed before the report')))
  })
}
