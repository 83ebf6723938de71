import { constants, createHash, generateKeyPairSync, privateDecrypt } from 'node:crypto'

export interface MysqlSha2User {
  readonly name: string
  readonly password: string
  /** Default `caching_sha2_password`. */
  readonly plugin?: 'caching_sha2_password' | 'sha256_password' | 'mysql_clear_password' | undefined
}

const sha256 = (...parts: Buffer[]): Buffer => createHash('sha256').update(Buffer.concat(parts)).digest()

const xor = (left: Buffer, right: Buffer): Buffer => Buffer.from(left.map((byte, i) => byte ^ right[i % right.length]!))

/** The users of a server, the cache of caching_sha2_password, and the key that passwords are encrypted with without TLS. */
export class Sha2Accounts {
  readonly publicKey: string
  readonly #privateKey: string
  readonly #users: ReadonlyMap<string, MysqlSha2User>
  /** SHA256(SHA256(password)) of who has shown a password in full. */
  readonly #cache = new Map<string, Buffer>()

  constructor(users: readonly MysqlSha2User[]) {
    this.#users = new Map(users.map((user) => [user.name, user]))
    const format = { type: 'spki', format: 'pem' } as const
    const keys = generateKeyPairSync('rsa', {
      modulusLength: 2048,
      publicKeyEncoding: format,
      privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    })
    this.publicKey = keys.publicKey
    this.#privateKey = keys.privateKey
  }

  /** A user that does not exist is asked for a password like any other. */
  pluginOf(user: string): string {
    return this.#users.get(user)?.plugin ?? 'caching_sha2_password'
  }

  isEmpty(user: string): boolean {
    return this.#users.get(user)?.password === ''
  }

  /** Whether `XOR(SHA256(password), SHA256(SHA256(SHA256(password)), nonce))` is of the password in the cache. */
  proves(user: string, scramble: Buffer, nonce: Buffer): boolean {
    const cached = this.#cache.get(user)
    if (cached === undefined || scramble.length !== 32) return false
    return sha256(xor(scramble, sha256(cached, nonce))).equals(cached)
  }

  /** Whether it is the password, which is then in the cache. */
  accepts(user: string, password: string): boolean {
    const right = this.#users.get(user)?.password === password
    if (right) this.#cache.set(user, sha256(sha256(Buffer.from(password))))
    return right
  }

  /** The password of a packet that was encrypted with {@link publicKey}; undefined when it was not. */
  decrypt(packet: Buffer, nonce: Buffer): string | undefined {
    try {
      const key = { key: this.#privateKey, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha1' }
      return withoutNul(xor(privateDecrypt(key, packet), nonce))
    } catch {
      return undefined
    }
  }

  /** FLUSH PRIVILEGES. */
  flush(): void {
    this.#cache.clear()
  }
}

/** A password as it is sent in clear; undefined without its terminator. */
export function withoutNul(packet: Buffer): string | undefined {
  return packet.at(-1) === 0 ? packet.toString('utf8', 0, packet.length - 1) : undefined
}
