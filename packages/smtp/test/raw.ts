import { once } from 'node:events'
import net from 'node:net'
import nodeTls from 'node:tls'
import { settle } from '@proxy/testkit'

/** A client that says what it is told to, byte by byte, and reads replies one by one. */
export class RawClient implements AsyncDisposable {
  #socket: net.Socket
  #text = ''
  #ended = false
  #wake: () => void = () => undefined

  private constructor(socket: net.Socket) {
    this.#socket = this.#read(socket)
  }

  static async connect(port: number, tls?: nodeTls.ConnectionOptions): Promise<RawClient> {
    const socket =
      tls === undefined ? net.connect(port, '127.0.0.1') : nodeTls.connect({ port, host: '127.0.0.1', ...tls })
    socket.setNoDelay(true)
    await once(socket, tls === undefined ? 'connect' : 'secureConnect')
    return new RawClient(socket)
  }

  /** Connects, reads the greeting and says EHLO. */
  static async hello(port: number, name = 'alpha.test'): Promise<RawClient> {
    const client = await RawClient.connect(port)
    await client.reply()
    await client.command(`EHLO ${name}`)
    return client
  }

  get ended(): boolean {
    return this.#ended
  }

  send(bytes: string | Uint8Array): void {
    this.#socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'utf8') : bytes)
  }

  /** Sends, and waits until all of it has left this process. */
  async sent(bytes: string | Uint8Array): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#socket.write(bytes, () => resolve())
    })
  }

  /** The next reply, all of its lines; an empty text when the connection ended instead. */
  async reply(): Promise<string> {
    for (;;) {
      const match = /^(?:\d{3}-[^\n]*\n)*\d{3}(?: [^\n]*)?\n/.exec(this.#text)
      if (match !== null) {
        this.#text = this.#text.slice(match[0].length)
        return match[0]
      }
      if (this.#ended) return ''
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  async command(line: string): Promise<string> {
    this.send(`${line}\r\n`)
    return this.reply()
  }

  /** As many replies as there are lines, asked for all at once. */
  async pipeline(lines: readonly string[]): Promise<string[]> {
    this.send(lines.map((line) => `${line}\r\n`).join(''))
    const replies: string[] = []
    for (const _ of lines) replies.push(await this.reply())
    return replies
  }

  /** MAIL and RCPT; throws unless all are taken. */
  async envelope(from = 'ann@client.test', ...to: string[]): Promise<void> {
    const recipients = to.length === 0 ? ['bob@alpha.test'] : to
    const lines = [`MAIL FROM:<${from}>`, ...recipients.map((address) => `RCPT TO:<${address}>`)]
    const refused = (await this.pipeline(lines)).find((reply) => !reply.startsWith('250'))
    if (refused !== undefined) throw new Error(`refused: ${refused}`)
  }

  /** Everything else, until the other side closes. */
  async rest(): Promise<string> {
    const replies: string[] = []
    for (let reply = await this.reply(); reply !== ''; reply = await this.reply()) replies.push(reply)
    return replies.join('') + this.#text
  }

  /** STARTTLS was said and answered with 220. */
  async secure(options: nodeTls.ConnectionOptions): Promise<void> {
    this.#socket.removeAllListeners('data')
    const secured = nodeTls.connect({ ...options, socket: this.#socket })
    await once(secured, 'secureConnect')
    this.#socket = this.#read(secured)
  }

  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    this.#socket.resume()
  }

  end(): void {
    this.#socket.end()
  }

  reset(): void {
    this.#socket.resetAndDestroy()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#socket.destroyed) return
    const closed = once(this.#socket, 'close')
    this.#socket.destroy()
    await closed
  }

  #read(socket: net.Socket): net.Socket {
    const finish = (): void => {
      this.#ended = true
      this.#wake()
    }
    socket.on('data', (bytes: Buffer) => {
      this.#text += bytes.toString('latin1')
      this.#wake()
    })
    return socket.on('error', finish).on('end', finish).on('close', finish)
  }
}

/** Sends the parts so that each arrives by itself, in this process. */
export async function sendInParts(client: RawClient, parts: readonly Uint8Array[]): Promise<void> {
  for (const part of parts) {
    if (part.length > 0) await client.sent(part)
    await settle(3)
  }
}

/** Sends bytes at once and collects what comes until the other end closes. */
export async function exchange(port: number, bytes: string | Uint8Array): Promise<string> {
  await using client = await RawClient.connect(port)
  client.send(bytes)
  return await client.rest()
}

/** The keywords of an EHLO reply. */
export const keywords = (reply: string): string[] =>
  reply
    .split('\r\n')
    .slice(1, -1)
    .map((line) => line.slice(4).split(' ')[0]!)
