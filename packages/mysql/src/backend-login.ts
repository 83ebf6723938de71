import {
  type Backend,
  backend as toBackend,
  type Clock,
  GatewayError,
  type Session,
  type Upstream,
} from '@proxy/kernel'
import { agreed, capabilities, has } from './capabilities.ts'
import type { Greeting } from './greeting.ts'
import { encodeLogin, encodeSslRequest, type LoginPacket } from './login.ts'
import type { Login, MysqlSettings } from './options.ts'
import type { BackendEnd } from './packets.ts'
import { type Greeted, greetedBy } from './startup.ts'
import { errorNumber, replies, unknownPlugin } from './wire.ts'

/** A backend that waits for a login. */
export interface Opened {
  readonly upstream: Upstream
  readonly end: BackendEnd
  readonly greeting: Greeting
  /** What it is told, but for the proof and its plugin. */
  readonly login: LoginPacket
}

/** A backend that has declined before any login: the payload of its error. */
export interface Declined {
  readonly error: Buffer
}

const mostQuirks = 1_000
const mirrors: WeakMap<Backend, Backend> = new WeakMap()

/**
 * The backend for a client that uses TLS: where the resolution says nothing about it, the backend is asked for TLS too, so that
 * passwords can go on as the client sends them. Nobody has said whose certificate to expect, so any is taken.
 */
export function mirrorTls(backend: Backend, clientUsesTls: boolean): Backend {
  if (!clientUsesTls || backend.tls !== undefined) return backend
  let mirror = mirrors.get(backend)
  if (mirror === undefined) {
    mirror = toBackend({ ...backend, tls: { mode: 'negotiated', insecure: true } })
    mirrors.set(backend, mirror)
  }
  return mirror
}

export interface Opening {
  readonly session: Session
  readonly backend: Backend
  /** What the client said. */
  readonly login: LoginPacket
  /** Who the backend is told that it is. */
  readonly as: Login
  readonly settings: MysqlSettings
  readonly clock: Clock
}

/** Dials, hears the greeting and begins TLS. */
export async function openBackend({
  session,
  backend,
  login,
  as,
  settings,
  clock,
}: Opening): Promise<Opened | Declined> {
  const target = mirrorTls(backend, session.client.tls !== undefined)
  const greeted = await greetedBy(session, target, clock, settings.readinessTimeoutMs)
  const { greeting, end, upstream } = greeted
  if (greeting === undefined) return { error: greeted.error! }
  const flags = agreed(login.flags, settings.features, greeting.flags)
  const told: LoginPacket = { ...login, ...as, flags, response: Buffer.alloc(0), plugin: '' }
  const secured = await beginTls(greeted, greeting, told, target === backend)
  return { upstream, end, greeting, login: secured ? { ...told, flags: flags | capabilities.ssl } : told }
}

async function beginTls(
  { upstream, end }: Greeted,
  greeting: Greeting,
  login: LoginPacket,
  required: boolean,
): Promise<boolean> {
  if (upstream.backend.tls?.mode !== 'negotiated') return false
  const offered = has(greeting.flags, 'ssl')
  if (!required && !(offered && upstream.canSecure)) return false
  if (!offered) throw new GatewayError('PROXY_BACKEND_TLS')
  await end.write(encodeSslRequest(login))
  await upstream.secure()
  return true
}

/** What servers say that cannot ask for another plugin than the one named, or know no authentication plugins. */
const confusion: readonly number[] = [1043, 1047, 1251, 1524, 2059]

/** Backends that do not ask again, by id: they are shown the client's answer to their greeting. */
export class Quirks {
  readonly #ids: Set<string> = new Set()

  has(id: string): boolean {
    return this.#ids.has(id)
  }

  add(id: string): void {
    if (this.#ids.size >= mostQuirks) this.#ids.clear()
    this.#ids.add(id)
  }
}

/**
 * The backend's first word to a login that names a plugin which nobody has, or how it did not understand that. Nothing of it has
 * reached the client then.
 */
export async function askAgain({ end, login }: Opened): Promise<Buffer | 'confused' | 'closed'> {
  await end.write(encodeLogin({ ...login, plugin: unknownPlugin }))
  try {
    const reply = await end.read()
    return reply[0] === replies.error && confusion.includes(errorNumber(reply)) ? 'confused' : reply
  } catch (error) {
    if (GatewayError.from(error).code === 'PROXY_BACKEND_CLOSED') return 'closed'
    throw error
  }
}
