import type { LocalServer } from '@proxy/resolver-process'
import { SMTPServer, type SMTPServerDataStream, type SMTPServerOptions, type SMTPServerSession } from 'smtp-server'
import type { MailStore } from './mail-store.ts'

type DataCallback = Parameters<NonNullable<SMTPServerOptions['onData']>>[2]

const maxMessageBytes = 1024 * 1024

/** A mail server on loopback that takes every message and delivers none: it can be read on the admin listener. */
export class MailServer implements LocalServer {
  readonly #tenant: string
  readonly #port: number
  readonly #store: MailStore
  #server: SMTPServer | undefined

  constructor(tenant: string, port: number, store: MailStore) {
    this.#tenant = tenant
    this.#port = port
    this.#store = store
  }

  start(): Promise<string> {
    const server = this.#make()
    this.#server = server
    return new Promise((resolve, reject) => {
      server.once('error', reject)
      server.listen(this.#port, '127.0.0.1', () => resolve(`127.0.0.1:${this.#port}`))
    })
  }

  stop(): Promise<void> {
    const server = this.#server
    this.#server = undefined
    if (server?.server.listening !== true) return Promise.resolve()
    return new Promise((resolve) => server.close(resolve))
  }

  /** It goes with the process. */
  kill(): void {}

  #make(): SMTPServer {
    const server = new SMTPServer({
      name: `${this.#tenant}.localhost`,
      banner: `mail of ${this.#tenant}`,
      disabledCommands: ['AUTH', 'STARTTLS'],
      disableReverseLookup: true,
      size: maxMessageBytes,
      rejectOversized: true,
      closeTimeout: 500,
      logger: false,
      onData: (stream, session, done) => void this.#answer(stream, session, done),
    })
    // A client that breaks off; nobody else has to know.
    server.on('error', () => undefined)
    return server
  }

  async #answer(stream: SMTPServerDataStream, session: SMTPServerSession, done: DataCallback): Promise<void> {
    try {
      const answer = await this.#take(stream, session)
      done(null, answer)
    } catch (error) {
      done(error as Error)
    }
  }

  /** Settles with what the client is told. */
  async #take(stream: SMTPServerDataStream, { envelope }: SMTPServerSession): Promise<string> {
    const content = await beginning(stream)
    // The server says so by itself.
    if (stream.sizeExceeded) return ''
    const from = envelope.mailFrom === false ? '' : envelope.mailFrom.address
    const to = envelope.rcptTo.map(({ address }) => address)
    const { id } = this.#store.add({ tenant: this.#tenant, from, to, content })
    return `taken as message ${id} of ${this.#tenant}`
  }
}

/** A message that is too large is read to its end, as the answer comes after it, and not kept. */
async function beginning(stream: SMTPServerDataStream): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of stream) if (!stream.sizeExceeded) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}
