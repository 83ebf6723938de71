import { GatewayError, type Upstream } from '@proxy/kernel'
import { capabilities, has } from './capabilities.ts'
import { type Greeting, parseGreeting } from './greeting.ts'
import { encodeLogin, encodeSslRequest, type LoginPacket } from './login.ts'
import { BackendEnd } from './packets.ts'
import { nativePlugin } from './proofs.ts'
import { commands, errorNumber, parseAuthSwitch, replies } from './wire.ts'

/** Nobody's account: what matters is that the server finds no fault with the form of the login. */
const user = 'proxy-probe'

/** ER_CON_COUNT_ERROR, ER_TOO_MANY_USER_CONNECTIONS: whoever is full serves. */
const full: readonly number[] = [1040, 1203]
/** ER_SERVER_SHUTDOWN. */
const shuttingDown = 1053

const utf8mb4 = 45
const mostTurns = 8

/**
 * Whether the server takes sessions: it greets, and then answers a login. The login is why it is not enough to hear the greeting:
 * a server counts clients that leave without one as errors of their host, and shuts out the host that has too many
 * (`max_connect_errors`). A login that it denies is none of those.
 */
export async function ready(upstream: Upstream): Promise<void> {
  const end = new BackendEnd(upstream)
  const first = await end.read()
  if (first[0] === replies.error) return judge(first, (number) => full.includes(number))
  const greeting = parseGreeting(first)
  await end.write(encodeLogin(await secured(end, upstream, greeting)))
  await finish(end)
}

function judge(error: Buffer, serves: (number: number) => boolean): void {
  const number = errorNumber(error)
  if (serves(number)) return
  throw new GatewayError('PROXY_BACKEND_NOT_READY', { cause: new Error(`error ${number}`) })
}

/** The login, with TLS begun where the resolution asks for it. */
async function secured(end: BackendEnd, upstream: Upstream, { flags, plugin }: Greeting): Promise<LoginPacket> {
  const known = capabilities.protocol41 | capabilities.secureConnection | capabilities.longPassword
  const login: LoginPacket = {
    flags: known | (flags & capabilities.pluginAuth),
    maxPacket: 1 << 20,
    charset: utf8mb4,
    user,
    response: Buffer.alloc(0),
    database: undefined,
    plugin: plugin === '' ? nativePlugin : plugin,
    attributes: undefined,
  }
  if (upstream.backend.tls?.mode !== 'negotiated') return login
  if (!has(flags, 'ssl')) throw new GatewayError('PROXY_BACKEND_TLS')
  const secret = { ...login, flags: login.flags | capabilities.ssl }
  await end.write(encodeSslRequest(secret))
  await upstream.secure()
  return secret
}

/** Says what is asked until the server has decided. One that lets anybody in is told goodbye. */
async function finish(end: BackendEnd): Promise<void> {
  for (let turn = 0; turn < mostTurns; turn++) {
    const reply = await end.read()
    if (reply[0] === replies.error) return judge(reply, (number) => number !== shuttingDown)
    if (reply[0] === replies.ok) return leave(end)
    await end.write(answerTo(reply))
  }
  throw new GatewayError('PROXY_BACKEND_PROTOCOL')
}

/** Of the form that the plugin expects: what cannot be a proof at all is again an error of the host. */
function answerTo(reply: Buffer): Buffer {
  if (reply[0] === replies.moreData) return Buffer.of(0)
  if (reply[0] !== replies.authSwitch) throw new GatewayError('PROXY_BACKEND_PROTOCOL')
  const { plugin } = parseAuthSwitch(reply)
  if (plugin === 'client_ed25519') return Buffer.alloc(64)
  return plugin === nativePlugin ? Buffer.alloc(0) : Buffer.of(0)
}

/** Goodbye is a command of its own, counted anew. */
function leave(end: BackendEnd): Promise<void> {
  end.sequence = 0
  return end.write(Buffer.of(commands.quit))
}
