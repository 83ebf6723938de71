import { GatewayError, type Upstream } from '@proxy/kernel'
import { requestBackendTls } from './backend-tls.ts'
import { encodeStartup } from './startup-message.ts'
import {
  authenticationKind,
  authentications,
  backendRunFramer,
  errorField,
  isReady,
  lastMessage,
  messageTypes,
  terminate,
} from './wire.ts'

const protocolVersion = 0x3_0000

/** Starting up or recovering, being shut down, and ending because another of its processes has crashed. */
const notNow: ReadonlySet<string> = new Set(['57P01', '57P02', '57P03'])

/**
 * Whether the server takes sessions, by the beginning of one for the key's database, as the user of that name. A demand for a
 * password is an answer only a server gives that serves, and so is any error but a few. Nothing stays behind: a server
 * that asks for nothing is told goodbye, and one that waits for a password sees the connection end.
 */
export async function ready(upstream: Upstream): Promise<void> {
  await requestBackendTls(upstream)
  await upstream.write(startupFor(upstream.key))
  for (;;) {
    const run = await upstream.read(backendRunFramer)
    const last = run.subarray(lastMessage(run))
    if (last[0] === messageTypes.errorResponse) return judge(last)
    if (isReady(last)) return upstream.write(terminate)
    if (demandsProof(last)) return
  }
}

/** A key that no startup packet can hold is none of a database: the server is asked all the same. */
function startupFor(key: string): Buffer {
  const name = key === '' || key.length > 1_000 || key.includes('\0') ? 'postgres' : key
  return encodeStartup(protocolVersion, [
    ['user', name],
    ['database', name],
  ])
}

function demandsProof(message: Buffer): boolean {
  return message[0] === messageTypes.authentication && authenticationKind(message) !== authentications.ok
}

/** An error without a code is that of a server which cannot start one more process. */
function judge(error: Buffer): void {
  const code = errorField(error, 'C')
  if (code !== undefined && !notNow.has(code)) return
  throw new GatewayError('PROXY_BACKEND_NOT_READY', { cause: new Error(`SQLSTATE ${code ?? 'unknown'}`) })
}
