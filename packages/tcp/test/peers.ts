import { createHash } from 'node:crypto'
import type { Socket } from 'node:net'

export type Act = 'write' | 'burst' | 'pause' | 'resume' | 'end' | 'turn' | 'settle'

/** What one end has seen of its connection. */
export interface Seen {
  readonly length: number
  readonly digest: string
  readonly ended: boolean
  readonly error: string | undefined
}

/** One end of a connection through the gateway: does as it is told, and notes what comes. */
export class End {
  readonly socket: Socket
  /** It has said that it is done. */
  finished = false
  readonly #heard: Buffer[] = []
  readonly #said: Buffer[] = []
  #seenEnd = false
  #error: string | undefined = undefined

  constructor(socket: Socket) {
    this.socket = socket
    socket.on('data', (bytes: Buffer) => this.#heard.push(bytes))
    socket.on('end', () => (this.#seenEnd = true))
    socket.on('error', ({ code }: NodeJS.ErrnoException) => (this.#error = code))
  }

  get heard(): Buffer {
    return Buffer.concat(this.#heard)
  }

  get said(): Buffer {
    return Buffer.concat(this.#said)
  }

  get seen(): Seen {
    const { heard } = this
    const digest = createHash('sha256').update(heard).digest('hex')
    return { length: heard.length, digest, ended: this.#seenEnd, error: this.#error }
  }

  /** Whether all that the other end has said so far, its end included, has come. */
  hasAllOf(other: End): boolean {
    return this.#length === other.said.length && this.#seenEnd === other.finished
  }

  does(act: Act, serial: number): void {
    if (act === 'write') this.#say(1 + (serial % 97), serial)
    else if (act === 'burst') this.#say(150_000, serial)
    else if (act === 'pause') this.socket.pause()
    else if (act === 'resume') this.socket.resume()
    else if (act === 'end') this.end()
  }

  end(): void {
    this.finished = true
    this.socket.end()
  }

  get #length(): number {
    return this.#heard.reduce((sum, { length }) => sum + length, 0)
  }

  #say(length: number, serial: number): void {
    if (this.finished) return
    const bytes = Buffer.alloc(length, String.fromCharCode(97 + (serial % 26)))
    this.#said.push(bytes)
    this.socket.write(bytes)
  }
}
