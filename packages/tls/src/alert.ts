/** Fatal alerts (RFC 8446 section 6) for connections that are refused before OpenSSL has seen them. */
const descriptions = { decodeError: 50, unrecognizedName: 112 } as const

export function fatalAlert(description: keyof typeof descriptions): Uint8Array {
  return Uint8Array.of(21, 3, 3, 0, 2, 2, descriptions[description])
}
