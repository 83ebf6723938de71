import type { AddressInfo } from 'node:net'
import { SMTPServer, type SMTPServerDataStream, type SMTPServerOptions, type SMTPServerSession } from 'smtp-server'
import type { MailStore } from './mail-store.ts'

type DataCallback = Parameters<NonNullable<SMTPServerOptions['onData']>>[2]

const maxMessageBytes = 1024 * 1024

/** A mail server on a free loopback port that takes every message and delivers none: it can be read on the admin listener. */
export class MailServer {
  readonly #tenant: string
  readonly #store: MailStore
  readonly #server: SMTPServer

  constructor(tenant: string, store: MailStore) {
    this.#tenant = tenant
    this.#store = store
    this.#server = new SMTPServer({
      name: `${tenant}.localhost`,
      banner: `mail of ${tenant}`,
      disabledCommands: ['AUTH', 'STARTTLS'],
      disableReverseLookup: true,
      size: maxMessageBytes,
      rejectOversized: true,
      closeTimeout: 500,
      logger: false,
      onData: (stream, session, done) => void this.#answer(stream, session, done),
    })
    // A client that breaks off; nobody else has to know.
    this.#server.on('error', () => undefined)
  }

  /** Settles with the port. */
  open(): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen(0, '127.0.0.1', () => resolve((this.#server.server.address() as AddressInfo).port))
    })
  }

  close(): Promise<void> {
    return new Promise((resolve) => this.#server.close(resolve))
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
