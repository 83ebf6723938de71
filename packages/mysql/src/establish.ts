import { type Backend, GatewayError } from '@proxy/kernel'
import { Authentication } from './authentication.ts'
import { askAgain, type Declined, openBackend, type Opened, type Opening, type Quirks } from './backend-login.ts'
import { has } from './capabilities.ts'
import { type ClientProof, prepare } from './client-proof.ts'
import { type Credentials, demandProof } from './credentials.ts'
import { logInAs } from './own-login.ts'
import type { ClientEnd } from './packets.ts'
import type { Protection, RsaKey } from './password-bridge.ts'
import { nativePlugin } from './proofs.ts'
import { encodeAuthSwitch, replies } from './wire.ts'

/** A login on its way to its backend. */
export interface Establishing extends Opening {
  readonly client: ClientEnd
  /** The client asked for TLS in-band. */
  readonly inBandTls: boolean
  readonly quirks: Quirks
  rsaKey(): Promise<RsaKey>
}

/** A session that may begin. */
export interface Established extends Opened {
  /** The payload that tells the client so; not sent yet. */
  readonly ok: Buffer
}

/**
 * Lets the backend authenticate the client. undefined: it has declined, and the client knows why. The backend is made to ask by its own
 * scramble; one that does not understand how is shown the client's answer to its greeting, on a connection that is still fresh.
 */
export async function passOn(call: Establishing): Promise<Established | undefined> {
  const { backend, client, quirks } = call
  let opened = await openBackend(call)
  if (isDeclined(opened)) return decline(client, opened)
  if (has(opened.login.flags, 'pluginAuth') && !quirks.has(backend.id)) {
    const first = await askAgain(opened)
    if (typeof first !== 'string') return authenticate(call, opened, first)
    // One that closes may just have been restarted: it is not held against it.
    if (first === 'confused') quirks.add(backend.id)
    opened.upstream.destroy()
    opened = await openBackend(call)
    if (isDeclined(opened)) return decline(client, opened)
  }
  const { plugin, scramble } = opened.greeting
  return authenticate(call, opened, encodeAuthSwitch(plugin === '' ? nativePlugin : plugin, scramble), true)
}

async function authenticate(
  { client, inBandTls, settings, rsaKey }: Establishing,
  opened: Opened,
  first: Buffer,
  unsent = false,
): Promise<Established | undefined> {
  const protection = protectionOf(inBandTls, opened)
  const setting = { client, backend: opened.end, protection, policy: settings.passwordBridge, rsaKey }
  const authentication = new Authentication(setting, unsent ? opened.login : undefined)
  return judged(client, opened, await authentication.run(first))
}

/**
 * Logs in with the resolver's credentials, for a client that has proven that it knows its own. Throws
 * `PROXY_RESOLVE_FORBIDDEN` when it has not. `user`: as the client names itself, without its tenant.
 */
export async function logInFor(
  call: Establishing,
  user: string,
  proof: ClientProof,
  credentials: Credentials,
  welcomed: boolean,
): Promise<Established | undefined> {
  demandProof(proof, user, credentials.client)
  const opened = await openBackend(call)
  if (isDeclined(opened)) return decline(call.client, opened)
  const reply = await logInAs(opened, credentials.backend)
  if (!welcomed && reply[0] === replies.ok) await prepare(call.client, proof)
  return judged(call.client, opened, reply)
}

async function judged(client: ClientEnd, opened: Opened, reply: Buffer): Promise<Established | undefined> {
  return reply[0] === replies.ok ? { ...opened, ok: reply } : decline(client, { error: reply })
}

function isDeclined(opened: Opened | Declined): opened is Declined {
  return 'error' in opened
}

async function decline(client: ClientEnd, { error }: Declined): Promise<undefined> {
  await client.write(error)
}

function protectionOf(client: boolean, { upstream, login }: Opened): Protection {
  const backend = has(login.flags, 'ssl')
  return { client, backend, backendEncrypted: backend || upstream.backend.tls?.mode === 'implicit' }
}

/** A client whose tenant needs no login of its own cannot be let in by what was not asked. */
export function demandCredentials(credentials: Credentials | undefined, backend: Backend): Credentials {
  if (credentials !== undefined) return credentials
  throw new GatewayError('PROXY_RESOLVE_FORBIDDEN', {
    message: 'Access denied: name the database in the login',
    cause: new Error(`no credentials in the metadata of ${backend.id}`),
  })
}
