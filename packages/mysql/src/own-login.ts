import { GatewayError } from '@proxy/kernel'
import type { Opened } from './backend-login.ts'
import { has } from './capabilities.ts'
import type { Credential } from './credentials.ts'
import { encodeLogin } from './login.ts'
import { encryptPassword, keyRequests } from './password-bridge.ts'
import { isProofPlugin, nativePlugin, proofFor, sha2Plugin } from './proofs.ts'
import { errorNumber, parseAuthSwitch, replies } from './wire.ts'

/** Errors about the credential, which is the gateway's own affair: host, user, database, plugin. */
const credentialErrors: readonly number[] = [1044, 1045, 1130, 1251, 1524, 1698, 3118, 4151]

/** Logs in to a backend with a password that the gateway knows. */
class OwnLogin {
  readonly #opened: Opened
  readonly #password: string
  #plugin: string
  #scramble: Buffer

  constructor(opened: Opened, password: string) {
    const { plugin, scramble } = opened.greeting
    this.#opened = opened
    this.#password = password
    this.#plugin = isProofPlugin(plugin) ? plugin : nativePlugin
    this.#scramble = scramble
  }

  /** The payload of what the backend says in the end: OK, or an error that concerns the client. */
  async run(user: string): Promise<Buffer> {
    const { end, login } = this.#opened
    await end.write(encodeLogin({ ...login, user, plugin: this.#plugin, response: await this.#answer() }))
    for (;;) {
      const reply = await end.read()
      if (reply[0] === replies.ok) return reply
      if (reply[0] === replies.error) return concerning(reply)
      await this.#goOn(reply)
    }
  }

  async #goOn(reply: Buffer): Promise<void> {
    const { end } = this.#opened
    if (reply[0] === replies.authSwitch) {
      const { plugin, scramble } = parseAuthSwitch(reply)
      this.#plugin = plugin
      this.#scramble = Buffer.from(scramble)
      await end.write(await this.#answer())
    } else if (this.#plugin !== sha2Plugin || reply[0] !== replies.moreData) {
      throw new GatewayError('PROXY_BACKEND_PROTOCOL')
    } else if (reply[1] !== fastAuthOk) {
      await end.write(await this.#wholePassword())
    }
  }

  async #answer(): Promise<Buffer> {
    if (isProofPlugin(this.#plugin)) return proofFor(this.#plugin, this.#password, this.#scramble)
    if (this.#plugin === 'sha256_password') return this.#wholePassword()
    if (this.#plugin === 'mysql_clear_password' && this.#secured) return this.#readable
    throw new GatewayError('PROXY_BACKEND_PROTOCOL', {
      message: 'the backend asks for an authentication that is not known',
    })
  }

  /** As it is over TLS, else encrypted for the backend. */
  async #wholePassword(): Promise<Buffer> {
    if (this.#secured || this.#password === '') return this.#readable
    const { end } = this.#opened
    await end.write(Buffer.of(keyRequests[this.#plugin]!))
    return encryptPassword(this.#readable, this.#scramble, await end.read())
  }

  get #secured(): boolean {
    return has(this.#opened.login.flags, 'ssl')
  }

  get #readable(): Buffer {
    return Buffer.from(`${this.#password}\0`)
  }
}

const fastAuthOk = 3

function concerning(error: Buffer): Buffer {
  if (!credentialErrors.includes(errorNumber(error))) return error
  throw new GatewayError('PROXY_BACKEND_PROTOCOL', { message: "the backend does not take the gateway's credentials" })
}

/** Logs in by a credential of the resolver's. The payload of the backend's OK, or of an error that concerns the client. */
export function logInAs(opened: Opened, { user, password }: Credential): Promise<Buffer> {
  return new OwnLogin(opened, password).run(user)
}
