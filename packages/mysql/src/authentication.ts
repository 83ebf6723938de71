import { GatewayError } from '@proxy/kernel'
import { encodeLogin, type LoginPacket } from './login.ts'
import type { MysqlSettings } from './options.ts'
import type { BackendEnd, ClientEnd } from './packets.ts'
import {
  cachingSha2,
  type Crossing,
  crossingFor,
  decryptPassword,
  encryptPassword,
  keyRequests,
  type Protection,
  type RsaKey,
} from './password-bridge.ts'
import { parseAuthSwitch, replies } from './wire.ts'

/** AuthMoreData of caching_sha2_password. */
const fastAuthOk = 3
const fullAuth = 4

export interface AuthenticationSetting {
  readonly client: ClientEnd
  readonly backend: BackendEnd
  readonly protection: Protection
  readonly policy: MysqlSettings['passwordBridge']
  /** Of this gateway, for clients without TLS. */
  rsaKey(): Promise<RsaKey>
}

/**
 * Passes the packets of an authentication on until the backend decides. The client answers the backend's own scramble, so
 * nothing of it need be known here. Only a password that has to cross between a connection with TLS and one without is taken up.
 */
export class Authentication {
  readonly #setting: AuthenticationSetting
  #plugin = ''
  #scramble: Buffer = Buffer.alloc(0)
  /** The login that the client's first answer belongs into. */
  #login: LoginPacket | undefined

  /** `login`: not sent yet; the client's answer to the first reply is put into it. */
  constructor(setting: AuthenticationSetting, login?: LoginPacket) {
    this.#setting = setting
    this.#login = login
  }

  /** The backend's OK, which is not passed on, or its error. */
  async run(first: Buffer): Promise<Buffer> {
    const { client, backend } = this.#setting
    for (let reply = first; ; reply = await backend.read()) {
      if (reply[0] === replies.ok || reply[0] === replies.error) return reply
      const crossing = this.#crossing(reply)
      await client.write(reply)
      await this.#clientsTurn(reply, crossing)
    }
  }

  #crossing(reply: Buffer): Crossing {
    const { protection, policy } = this.#setting
    if (reply[0] === replies.authSwitch) {
      const { plugin, scramble } = parseAuthSwitch(reply)
      this.#plugin = plugin
      this.#scramble = Buffer.from(scramble)
      return plugin === cachingSha2 ? 'none' : crossingFor(plugin, protection, policy)
    }
    const wantsPassword = this.#plugin === cachingSha2 && isMoreData(reply, fullAuth)
    return wantsPassword ? crossingFor(cachingSha2, protection, policy) : 'none'
  }

  async #clientsTurn(reply: Buffer, crossing: Crossing): Promise<void> {
    if (this.#plugin === cachingSha2 && isMoreData(reply, fastAuthOk)) return
    const { client } = this.#setting
    const turnsAreKnown = reply[0] === replies.authSwitch || this.#plugin in keyRequests
    if (!turnsAreKnown && !(await this.#clientIsFirst())) return
    const answer = await client.read()
    if (crossing === 'encrypt' && !isEmptyPassword(answer)) await this.#send(await this.#encrypted(answer))
    else if (crossing === 'decrypt' && !isEmptyPassword(answer)) await this.#send(await this.#decrypted(answer))
    else await this.#send(answer)
  }

  async #send(answer: Buffer): Promise<void> {
    const login = this.#login
    this.#login = undefined
    const { backend } = this.#setting
    await backend.write(
      login === undefined ? answer : encodeLogin({ ...login, plugin: this.#plugin, response: answer }),
    )
  }

  /** Only the plugin knows whether it is asked something; so whoever speaks first has the turn. */
  async #clientIsFirst(): Promise<boolean> {
    const { client, backend } = this.#setting
    return Promise.race([client.arrives().then(() => true), backend.arrives().then(() => false)])
  }

  async #encrypted(password: Buffer): Promise<Buffer> {
    const { backend } = this.#setting
    await this.#send(Buffer.of(keyRequests[this.#plugin]!))
    return encryptPassword(password, this.#scramble, await backend.read())
  }

  async #decrypted(request: Buffer): Promise<Buffer> {
    const { client, rsaKey } = this.#setting
    const key = await rsaKey()
    // A client that was given a key file sends the secret at once, made for another key than ours.
    if (request.length !== 1 || request[0] !== keyRequests[this.#plugin]) throw new GatewayError('PROXY_UNSUPPORTED')
    await client.write(Buffer.concat([Buffer.of(replies.moreData), Buffer.from(key.publicPem)]))
    return decryptPassword(await client.read(), this.#scramble, key)
  }
}

function isMoreData(reply: Buffer, kind: number): boolean {
  return reply.length === 2 && reply[0] === replies.moreData && reply[1] === kind
}

/** A lone zero byte, or nothing. */
function isEmptyPassword(answer: Buffer): boolean {
  return answer.length === 0 || (answer.length === 1 && answer[0] === 0)
}
