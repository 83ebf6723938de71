import { FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR, maxFrame, maxInt31, NO_ERROR, PROTOCOL_ERROR } from './http2-frames.ts'

const HEADER_TABLE_SIZE = 1
const ENABLE_PUSH = 2
const MAX_CONCURRENT_STREAMS = 3
const INITIAL_WINDOW_SIZE = 4
const MAX_FRAME_SIZE = 5
const MAX_HEADER_LIST_SIZE = 6

/** What a client has said about itself, as far as it matters to a server that pushes nothing. */
export class PeerSettings {
  headerTableSize = 4_096
  initialWindow = 65_535

  /** Takes in a SETTINGS frame (RFC 9113 section 6.5.2). Returns an error code. */
  read(bytes: Buffer, start: number, end: number): number {
    if ((end - start) % 6 !== 0) return FRAME_SIZE_ERROR
    for (let at = start; at < end; at += 6) {
      const error = this.#set(bytes.readUInt16BE(at), bytes.readUInt32BE(at + 2))
      if (error !== NO_ERROR) return error
    }
    return NO_ERROR
  }

  #set(id: number, value: number): number {
    if (id === HEADER_TABLE_SIZE) this.headerTableSize = value
    else if (id === ENABLE_PUSH && value > 1) return PROTOCOL_ERROR
    else if (id === MAX_FRAME_SIZE && (value < maxFrame || value >= 1 << 24)) return PROTOCOL_ERROR
    else if (id === INITIAL_WINDOW_SIZE) {
      if (value > maxInt31) return FLOW_CONTROL_ERROR
      this.initialWindow = value
    }
    return NO_ERROR
  }
}

/** The payload of our own. */
export function ownSettings(maxStreams: number, initialWindow: number, maxHeaderList: number): Buffer {
  const payload = Buffer.alloc(18)
  payload.writeUInt16BE(MAX_CONCURRENT_STREAMS, 0)
  payload.writeUInt32BE(maxStreams, 2)
  payload.writeUInt16BE(INITIAL_WINDOW_SIZE, 6)
  payload.writeUInt32BE(initialWindow, 8)
  payload.writeUInt16BE(MAX_HEADER_LIST_SIZE, 12)
  payload.writeUInt32BE(maxHeaderList, 14)
  return payload
}
