import { RawClient } from './setting.ts'

export interface Frame {
  readonly type: number
  readonly flags: number
  readonly stream: number
  readonly payload: Buffer
}

/** HTTP/2 frames of our own, for what no honest client sends. */
export class Frames {
  readonly client: RawClient

  /** `greets`: says SETTINGS, as every client must. */
  constructor(port: number, greets = true) {
    this.client = new RawClient(port)
    this.client.send('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
    if (greets) this.frame(4, 0, 0, '')
  }

  frame(type: number, flags: number, stream: number, payload: string): void {
    const header = Buffer.alloc(9)
    header.writeUIntBE(payload.length, 0, 3)
    header[3] = type
    header[4] = flags
    header.writeUInt32BE(stream, 5)
    this.client.send(header.toString('latin1') + payload)
  }

  /** The whole frames that have arrived. */
  get received(): Frame[] {
    const bytes = Buffer.from(this.client.received, 'latin1')
    const frames: Frame[] = []
    for (let at = 0; at + 9 <= bytes.length; at += 9 + bytes.readUIntBE(at, 3)) {
      const payload = bytes.subarray(at + 9, at + 9 + bytes.readUIntBE(at, 3))
      frames.push({ type: bytes[at + 3]!, flags: bytes[at + 4]!, stream: bytes.readUInt32BE(at + 5), payload })
    }
    return frames
  }

  /** GET / of host a, in literals of HPACK. */
  headers(stream: number, flags: number): void {
    this.frame(1, flags, stream, '\x82\x86\x84\x41\x01a')
  }
}
