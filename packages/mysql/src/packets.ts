import { type Channel, type Framer, GatewayError } from '@proxy/kernel'
import { encodePacket, framerOf, headerBytes } from './wire.ts'

const ofClient: Framer = framerOf('PROXY_MALFORMED')
const ofBackend: Framer = framerOf('PROXY_BACKEND_PROTOCOL')

/**
 * One side of a login: a channel and its own counter. Packets of both directions are counted together, and the two
 * sides of a session count apart, since the gateway says things of its own to either.
 */
export abstract class PacketEnd {
  readonly channel: Channel
  /** Of the next packet, whoever sends it. */
  sequence = 0
  readonly #framer: Framer
  #arriving: Promise<void> | undefined = undefined

  constructor(channel: Channel, framer: Framer) {
    this.channel = channel
    this.#framer = framer
  }

  /** Payload of the next packet. */
  async read(): Promise<Buffer> {
    if (this.#arriving !== undefined) await this.#arriving
    const packet = await this.channel.read(this.#framer)
    this.noteSequence(packet[headerBytes - 1]!)
    return packet.subarray(headerBytes)
  }

  /** Settles when a whole packet is there. May be left waiting. */
  arrives(): Promise<void> {
    this.#arriving ??= this.#peek()
    return this.#arriving
  }

  write(payload: Uint8Array): Promise<void> {
    return this.channel.write(this.next(payload))
  }

  /** The next packet, for someone else to send. */
  next(payload: Uint8Array): Buffer {
    return encodePacket(this.sequence++, payload)
  }

  protected abstract noteSequence(sequence: number): void

  async #peek(): Promise<void> {
    await this.channel.peek(this.#framer)
    this.#arriving = undefined
  }
}

export class ClientEnd extends PacketEnd {
  constructor(channel: Channel) {
    super(channel, ofClient)
  }

  /** What an error packet for the client is numbered: a packet that it has begun to send counts. */
  get refusalSequence(): number {
    return this.channel.unread > 0 ? this.sequence + 1 : this.sequence
  }

  protected noteSequence(sequence: number): void {
    if (sequence !== (this.sequence & 0xff)) {
      throw new GatewayError('PROXY_MALFORMED', { message: 'packets out of order' })
    }
    this.sequence++
  }
}

/** A backend is followed however it counts. */
export class BackendEnd extends PacketEnd {
  constructor(channel: Channel) {
    super(channel, ofBackend)
  }

  /** What is too large for the listener's limit is the backend's fault here. */
  override async read(): Promise<Buffer> {
    try {
      return await super.read()
    } catch (error) {
      throw GatewayError.is(error) && error.code === 'PROXY_PEEK_OVERFLOW' ? malformedAnswer(error) : error
    }
  }

  protected noteSequence(sequence: number): void {
    this.sequence = sequence + 1
  }
}

function malformedAnswer(cause: GatewayError): GatewayError {
  return new GatewayError('PROXY_BACKEND_PROTOCOL', { cause })
}
