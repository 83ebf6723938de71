import type { CommandScope } from './command-filter.ts'
import { encodeLenenc, FieldReader, unknownPlugin } from './wire.ts'

/** Longer ones go on as they are. Attributes alone may have 64 KiB. */
export const maxChangeUserBytes: number = 80 * 1_024

/**
 * COM_CHANGE_USER without the client's proof, which may be for the scramble of the gateway's greeting: naming a plugin that
 * nobody has, it makes the server ask by its own. The user's name is mapped as it was in the login.
 */
export function withoutProof(payload: Buffer, scope: Pick<CommandScope, 'userWithin'>): Buffer {
  try {
    return amended(payload, scope)
  } catch {
    // Let the server say what is wrong with it.
    return payload
  }
}

function amended(payload: Buffer, scope: Pick<CommandScope, 'userWithin'>): Buffer {
  const reader = new FieldReader(payload, 1, 'PROXY_MALFORMED')
  const name = reader.terminated()
  const user = scope.userWithin(name.toString())
  reader.counted()
  const database = reader.terminated()
  if (reader.left < 2) return payload
  const charset = reader.bytes(2)
  if (reader.left > 0) reader.terminated()
  const attributes = reader.bytes(reader.left)
  return Buffer.concat([
    payload.subarray(0, 1),
    Buffer.from(`${user}\0`),
    encodeLenenc(0),
    database,
    Buffer.of(0),
    charset,
    Buffer.from(`${unknownPlugin}\0`),
    attributes,
  ])
}
