import { DocumentWriter } from './bson.ts'
import { whatsMyUri } from './commands.ts'
import type { MongodbSettings } from './options.ts'

const ok: Buffer = new DocumentWriter().double('ok', 1).end()

const nobody: Buffer = new DocumentWriter()
  .strings('authenticatedUsers', [])
  .strings('authenticatedUserRoles', [])
  .end()

const connectionStatus: Buffer = new DocumentWriter().document('authInfo', nobody).double('ok', 1).end()

/** What the gateway answers by itself as long as no tenant is known; undefined: only a backend can. */
export function localAnswer(command: string, settings: MongodbSettings): Buffer | undefined {
  switch (command) {
    case 'ping':
    case 'endSessions':
    case 'logout':
      return ok
    case 'buildInfo':
    case 'buildinfo':
      return buildInfo(settings.serverVersion)
    case 'connectionStatus':
      return connectionStatus
    default:
      return undefined
  }
}

/** `whatsmyuri`: to a backend, the client would be the gateway. */
export function whatsMyUriDocument(client: string): Buffer {
  return new DocumentWriter().string('you', client).double('ok', 1).end()
}

export function isWhatsMyUri(command: string | undefined): boolean {
  return command === whatsMyUri
}

function buildInfo(version: string): Buffer {
  return new DocumentWriter()
    .string('version', version)
    .string('gitVersion', '')
    .strings('modules', [])
    .int32s('versionArray', [...version.split('.').map(Number), 0])
    .int32('bits', 64)
    .boolean('debug', false)
    .int32('maxBsonObjectSize', 16_777_216)
    .double('ok', 1)
    .end()
}
