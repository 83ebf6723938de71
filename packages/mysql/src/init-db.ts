import { GatewayError } from '@proxy/kernel'
import type { ClientEnd } from './packets.ts'
import { commands, encodeError, okPayload } from './wire.ts'

const notChosen: Buffer = encodeError({ number: 1046, sqlState: '3D000', message: 'No database selected' })
const longestUse = 512
const useStatement = /^\s*use\s+(?:`((?:[^`]|``)+)`|([^\s;`]+))\s*;?\s*$/i

/**
 * Waits for the database that a client chooses first, which names its tenant. Until then it can do nothing but ask whether somebody
 * is there. Bounded by the listener's handshake deadline. undefined: it has left.
 */
export async function chosenDatabase(client: ClientEnd): Promise<string | undefined> {
  for (;;) {
    client.sequence = 0
    const command = await client.read()
    if (command[0] === commands.quit) return undefined
    const database = databaseIn(command)
    if (database !== undefined) return database
    await client.write(command[0] === commands.ping ? okPayload : notChosen)
  }
}

function databaseIn(command: Buffer): string | undefined {
  const name = command[0] === commands.initDb ? command.toString('utf8', 1) : usedIn(command)
  if (name?.includes('\0') === true) throw new GatewayError('PROXY_MALFORMED')
  return name || undefined
}

/** Some clients choose by a statement. */
function usedIn(command: Buffer): string | undefined {
  if (command[0] !== commands.query || command.length > longestUse) return undefined
  const used = useStatement.exec(command.toString('utf8', 1))
  return used?.[1]?.replaceAll('``', '`') ?? used?.[2]
}
