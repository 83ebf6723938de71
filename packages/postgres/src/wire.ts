import { type ErrorCode, type Framer, GatewayError } from '@proxy/kernel'

/** Cap of the startup packet, its length field included. PostgreSQL's own. */
export const maxStartupBytes = 10_000

/**
 * Cap of one message while the backend authenticates. PostgreSQL's largest authentication token is 65,535 bytes and
 * goes through the relay; everything that is read here is far below.
 */
const maxMessageBytes = 65_535

/** What stands where the protocol version would (PostgreSQL "Message Formats"). */
export const requestCodes = { cancel: 80877102, ssl: 80877103, gssenc: 80877104 } as const

/** First byte of a TLS record that carries a handshake. No startup packet within the cap begins with it. */
export const tlsHandshakeByte = 0x16

/** What a client says last. */
export const terminate: Buffer = Buffer.from([0x58, 0, 0, 0, 4])

/** Types of the messages that this package looks at. */
export const messageTypes = {
  authentication: 0x52, // R
  backendKeyData: 0x4b, // K
  errorResponse: 0x45, // E
  readyForQuery: 0x5a, // Z
} as const

/** Subtypes of an authentication message (the Int32 after its length). */
export const authentications = { ok: 0, cleartext: 3, md5: 5, sasl: 10, saslContinue: 11, saslFinal: 12 } as const

const headerBytes = 5

function malformed(message: string): GatewayError {
  return new GatewayError('PROXY_MALFORMED', { message })
}

/** Opening bytes of a client: one byte of a TLS handshake, or a whole packet without a type. */
export const openingFramer: Framer = (bytes) => (bytes[0] === tlsHandshakeByte ? 1 : packetFramer(bytes))

/** A packet without a type: startup message, SSLRequest, GSSENCRequest, CancelRequest. */
export const packetFramer: Framer = (bytes) => {
  // The two high bytes of a length within the cap are zero: garbage is told by its first byte.
  if (bytes.length > 0 && bytes[0] !== 0) throw malformed('invalid length of startup packet')
  if (bytes.length < 4) return 0
  const length = bytes.readUInt32BE(0)
  if (length < 8 || length > maxStartupBytes) throw malformed('invalid length of startup packet')
  return length
}

/** The version or request code of a whole packet. */
export function packetCode(packet: Buffer): number {
  return packet.readUInt32BE(4)
}

/** One byte: the answer to an SSLRequest. */
export const byteFramer: Framer = (bytes) => (bytes.length === 0 ? 0 : 1)

/** Length of the message at `offset`, its type included; 0 when its header is not there yet. */
function messageLength(bytes: Buffer, offset: number, code: ErrorCode): number {
  if (bytes.length - offset < headerBytes) return 0
  const length = bytes.readUInt32BE(offset + 1) + 1
  if (length < headerBytes || length > maxMessageBytes) {
    throw new GatewayError(code, { message: 'invalid message length' })
  }
  return length
}

/** One message of the client. */
export const clientMessageFramer: Framer = (bytes) => messageLength(bytes, 0, 'PROXY_MALFORMED')

/**
 * Every whole message of the backend that is there, up to the first after which it is someone else's turn: a request to
 * authenticate, or an error. At least one message. ReadyForQuery is a run of its own.
 */
export const backendRunFramer: Framer = (bytes) => {
  for (let end = 0; ; ) {
    const length = runStep(bytes, end)
    if (end > 0 && (length === 0 || end + length > bytes.length || isReady(bytes, end))) return end
    const start = end
    end += length
    if (end >= bytes.length || length === 0 || endsRun(bytes, start)) return end
  }
}

export function isReady(bytes: Buffer, offset = 0): boolean {
  return bytes[offset] === messageTypes.readyForQuery
}

function runStep(bytes: Buffer, offset: number): number {
  if (isBareError(bytes, offset)) return 1
  return messageLength(bytes, offset, 'PROXY_BACKEND_PROTOCOL')
}

/**
 * A server that cannot fork says so in the form of protocol 2: 'E' and a text without length. The type alone is taken
 * here; an error ends the run and the rest is relayed as it is.
 */
function isBareError(bytes: Buffer, offset: number): boolean {
  if (bytes[offset] !== messageTypes.errorResponse || bytes.length - offset < headerBytes) return false
  return bytes.readUInt32BE(offset + 1) > 30_000
}

function endsRun(bytes: Buffer, offset: number): boolean {
  if (bytes[offset] === messageTypes.errorResponse || isReady(bytes, offset)) return true
  return bytes[offset] === messageTypes.authentication && awaitsAnswer(bytes.subarray(offset))
}

/** Whether the client has to speak after this authentication message. */
function awaitsAnswer(message: Buffer): boolean {
  const kind = authenticationKind(message)
  return kind !== authentications.ok && kind !== authentications.saslFinal
}

/** Subtype of an authentication message; -1 when it is too short to have one. */
export function authenticationKind(message: Buffer): number {
  return message.length < headerBytes + 4 ? -1 : message.readInt32BE(headerBytes)
}

/** Length of a message of a run. Of an error without a length, the run holds nothing but the type. */
function messageInRun(run: Buffer, offset: number): number {
  return runStep(run, offset) || run.length - offset
}

/** Calls `visit` with each message of a run. The slices share the run's memory. */
export function eachMessage(run: Buffer, visit: (message: Buffer) => void): void {
  for (let offset = 0; offset < run.length; ) {
    const length = messageInRun(run, offset)
    visit(run.subarray(offset, offset + length))
    offset += length
  }
}

/** Offset of the last message of a run. */
export function lastMessage(run: Buffer): number {
  let last = 0
  for (let offset = 0; offset < run.length; offset += messageInRun(run, offset)) last = offset
  return last
}

/** A packet of a code alone: SSLRequest, GSSENCRequest. */
export function encodeRequest(code: number): Buffer {
  const packet = Buffer.allocUnsafe(8)
  packet.writeUInt32BE(8, 0)
  packet.writeUInt32BE(code, 4)
  return packet
}

// ---------------------------------------------------------------------------------------------------------------
// Cancel keys
// ---------------------------------------------------------------------------------------------------------------

/** What BackendKeyData hands out and CancelRequest brings back. The secret has 4 to 256 bytes. */
export interface CancelKey {
  readonly pid: number
  readonly secret: Buffer
}

const minSecretBytes = 4
const maxSecretBytes = 256

/** Reads a whole BackendKeyData message; the secret shares its memory. Throws `PROXY_BACKEND_PROTOCOL`. */
export function parseBackendKeyData(message: Buffer): CancelKey {
  const secret = message.subarray(headerBytes + 4)
  if (secret.length < minSecretBytes || secret.length > maxSecretBytes) {
    throw new GatewayError('PROXY_BACKEND_PROTOCOL', { message: 'invalid length of the cancel key' })
  }
  return { pid: message.readInt32BE(headerBytes), secret }
}

/** Puts another key of the same length into a BackendKeyData message. */
export function replaceBackendKeyData(message: Buffer, key: CancelKey): void {
  message.writeInt32BE(key.pid, headerBytes)
  key.secret.copy(message, headerBytes + 4)
}

/** Reads a whole CancelRequest; the secret shares its memory. undefined when its length is none that a key has. */
export function parseCancelRequest(packet: Buffer): CancelKey | undefined {
  const secret = packet.subarray(12)
  if (secret.length < minSecretBytes || secret.length > maxSecretBytes) return undefined
  return { pid: packet.readInt32BE(8), secret }
}

export function encodeCancelRequest(key: CancelKey): Buffer {
  const packet = Buffer.allocUnsafe(12 + key.secret.length)
  packet.writeUInt32BE(packet.length, 0)
  packet.writeUInt32BE(requestCodes.cancel, 4)
  packet.writeInt32BE(key.pid, 8)
  key.secret.copy(packet, 12)
  return packet
}

// ---------------------------------------------------------------------------------------------------------------
// SASL
// ---------------------------------------------------------------------------------------------------------------

const channelBindingMechanism = Buffer.from('SCRAM-SHA-256-PLUS\0', 'latin1')

/** An AuthenticationSASL message without the mechanism that binds to the TLS channel; the same when it offers none. */
export function withoutChannelBinding(message: Buffer): Buffer {
  const at = message.indexOf(channelBindingMechanism, headerBytes + 4)
  if (at < 0) return message
  const shorter = Buffer.concat([message.subarray(0, at), message.subarray(at + channelBindingMechanism.length)])
  shorter.writeUInt32BE(shorter.length - 1, 1)
  return shorter
}

/** Whether a SASLInitialResponse chose the mechanism that binds to the TLS channel. */
export function choosesChannelBinding(message: Buffer): boolean {
  return message.indexOf(channelBindingMechanism, headerBytes) === headerBytes
}

// ---------------------------------------------------------------------------------------------------------------
// Errors
// ---------------------------------------------------------------------------------------------------------------

export interface ErrorFields {
  readonly code: string
  readonly message: string
  readonly hint?: string | undefined
}

/** A FATAL ErrorResponse. */
export function encodeFatal({ code, message, hint }: ErrorFields): Buffer {
  const fields = ['SFATAL', 'VFATAL', `C${code}`, `M${field(message)}`]
  if (hint !== undefined) fields.push(`H${field(hint)}`)
  return encodeErrorBody(Buffer.from(`${fields.join('\0')}\0\0`))
}

/** A field ends at its first NUL. */
function field(text: string): string {
  return text.replaceAll('\0', '')
}

function encodeErrorBody(body: Buffer): Buffer {
  const message = Buffer.allocUnsafe(headerBytes + body.length)
  message[0] = messageTypes.errorResponse
  message.writeUInt32BE(body.length + 4, 1)
  body.copy(message, headerBytes)
  return message
}

/** One field of a whole ErrorResponse (`C` is the SQLSTATE); undefined when it has none. */
export function errorField(message: Buffer, name: string): string | undefined {
  const wanted = name.charCodeAt(0)
  for (let at = headerBytes; at < message.length && message[at] !== 0; ) {
    const end = message.indexOf(0, at)
    if (end < 0) return undefined
    if (message[at] === wanted) return message.toString('utf8', at + 1, end)
    at = end + 1
  }
  return undefined
}

/** The same ErrorResponse with a hint, unless it brings one of its own. */
export function withHint(message: Buffer, hint: string): Buffer {
  const end = message.length - 1
  if (end < headerBytes || message[end] !== 0 || errorField(message, 'H') !== undefined) return message
  return encodeErrorBody(Buffer.concat([message.subarray(headerBytes, end), Buffer.from(`H${field(hint)}\0\0`)]))
}

// ---------------------------------------------------------------------------------------------------------------
// Relay
// ---------------------------------------------------------------------------------------------------------------

const idle = Buffer.from([messageTypes.readyForQuery, 0, 0, 0, 5, 0x49])

/** Whether the bytes end with ReadyForQuery outside a transaction. */
export function endsIdle(tail: Buffer): boolean {
  return tail.length >= idle.length && idle.compare(tail, tail.length - idle.length) === 0
}
