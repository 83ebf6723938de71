import { randomBytes } from 'node:crypto'
import type { Socket } from 'node:net'
import { createSecureContext, type SecureContext } from 'node:tls'
import type { Leaf } from './certificates.ts'
import { type MysqlSha2User, Sha2Accounts, withoutNul } from './mysql-sha2-accounts.ts'
import { capability, MysqlError, MysqlPackets, okPacket, parseLogin, row } from './mysql-sha2-wire.ts'
import { type TcpBackend, tcpBackend } from './tcp.ts'

export interface MysqlSha2Options {
  readonly users: readonly MysqlSha2User[]
  /** TLS is off without it. */
  readonly tls?: Leaf | undefined
}

/**
 * A server that does nothing but authenticate, by caching_sha2_password and sha256_password as MySQL 8 describes them: MySQL
 * itself is in no registry that tests may use, MariaDB has neither plugin, and the engine of {@link mysqlEngine} has no
 * RSA and no sha256_password. It answers any query with one row: `user`, `database`, `tls` and `login`, which says
 * how the password was shown: `fast`, `clear`, `rsa` or `empty`. For gateways that have to keep passwords from leaving TLS it also has mysql_clear_password.
 */
export async function mysqlSha2Server(options: MysqlSha2Options): Promise<MysqlSha2Server> {
  const accounts = new Sha2Accounts(options.users)
  const certificate = options.tls === undefined ? undefined : createSecureContext(options.tls)
  const backend = await tcpBackend((socket) => void new Conversation(socket, accounts, certificate).run())
  return new MysqlSha2Server(backend, accounts)
}

export class MysqlSha2Server {
  readonly #backend: TcpBackend
  readonly #accounts: Sha2Accounts

  /** Use {@link mysqlSha2Server}. */
  constructor(backend: TcpBackend, accounts: Sha2Accounts) {
    this.#backend = backend
    this.#accounts = accounts
  }

  get port(): number {
    return this.#backend.port
  }

  /** `host:port`, as a resolver answers it. */
  get endpoint(): string {
    return this.#backend.endpoint
  }

  /** Forgets who has shown a password. */
  flush(): void {
    this.#accounts.flush()
  }

  async stop(): Promise<void> {
    await this.#backend.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }
}

type Proof = 'fast' | 'clear' | 'rsa' | 'empty'

class Conversation {
  readonly #packets: MysqlPackets
  readonly #accounts: Sha2Accounts
  readonly #certificate: SecureContext | undefined
  #nonce = nonce()

  constructor(socket: Socket, accounts: Sha2Accounts, certificate: SecureContext | undefined) {
    this.#packets = new MysqlPackets(socket)
    this.#accounts = accounts
    this.#certificate = certificate
  }

  async run(): Promise<void> {
    try {
      await this.#serve()
    } catch (error) {
      if (error instanceof MysqlError) this.#packets.write(error.packet)
    }
    this.#packets.end()
  }

  async #serve(): Promise<void> {
    this.#packets.write(this.#greeting())
    const { user, database, reply, plugin } = parseLogin(await this.#login())
    const wanted = this.#accounts.pluginOf(user)
    const first = plugin === wanted ? reply : await this.#switchTo(wanted)
    const login = await this.#prove(wanted, user, first)
    if (login === undefined) throw denied(user, !isNothing(first))
    this.#packets.write(okPacket)
    await this.#answer({ user, database, tls: this.#packets.secured ? 'yes' : 'no', login })
  }

  #greeting(): Buffer {
    const { ssl, ...always } = capability
    const flags = Object.values(always).reduce((all, one) => all | one, this.#certificate === undefined ? 0 : ssl)
    const fixed = Buffer.alloc(18)
    fixed.writeUInt16LE(flags & 0xffff, 0)
    fixed[2] = 45
    fixed.writeUInt16LE(2, 3)
    fixed.writeUInt16LE(flags >>> 16, 5)
    fixed[7] = 21
    const [nul, id] = [Buffer.from([0]), Buffer.from([1, 0, 0, 0])]
    const scramble = [this.#nonce.subarray(0, 8), nul, fixed, this.#nonce.subarray(8), nul]
    return Buffer.concat([Buffer.from('\n8.0.33-sha2\0'), id, ...scramble, Buffer.from('caching_sha2_password\0')])
  }

  async #login(): Promise<Buffer> {
    const packet = await this.#next()
    if ((packet.readUInt32LE(0) & capability.ssl) === 0) return packet
    if (this.#certificate === undefined) throw new MysqlError(1043, '08S01', 'Bad handshake')
    await this.#packets.secure(this.#certificate)
    return this.#next()
  }

  async #switchTo(plugin: string): Promise<Buffer> {
    this.#nonce = nonce()
    this.#packets.write(Buffer.concat([Buffer.from([254]), Buffer.from(`${plugin}\0`), this.#nonce, Buffer.from([0])]))
    return this.#next()
  }

  async #prove(plugin: string, user: string, first: Buffer): Promise<Proof | undefined> {
    if (plugin === 'sha256_password') return this.#sha256(user, first)
    if (plugin === 'caching_sha2_password') return this.#cachingSha2(user, first)
    return this.#accounts.accepts(user, withoutNul(first) ?? '') ? 'clear' : undefined
  }

  async #cachingSha2(user: string, scramble: Buffer): Promise<Proof | undefined> {
    if (isNothing(scramble)) return this.#accounts.isEmpty(user) ? 'empty' : undefined
    if (this.#accounts.proves(user, scramble, this.#nonce)) {
      this.#packets.write(Buffer.from([1, 3]))
      return 'fast'
    }
    this.#packets.write(Buffer.from([1, 4]))
    return this.#password(user, await this.#next(), 2)
  }

  /** Without TLS the client asks for the key right away. */
  async #sha256(user: string, first: Buffer): Promise<Proof | undefined> {
    if (isNothing(first)) return this.#accounts.isEmpty(user) ? 'empty' : undefined
    return this.#password(user, first, 1)
  }

  async #password(user: string, packet: Buffer, keyRequest: number): Promise<Proof | undefined> {
    if (this.#packets.secured) return this.#accounts.accepts(user, withoutNul(packet) ?? '') ? 'clear' : undefined
    const asks = packet.length === 1 && packet[0] === keyRequest
    if (asks) this.#packets.write(Buffer.concat([Buffer.from([1]), Buffer.from(this.#accounts.publicKey)]))
    const password = this.#accounts.decrypt(asks ? await this.#next() : packet, this.#nonce)
    return password !== undefined && this.#accounts.accepts(user, password) ? 'rsa' : undefined
  }

  async #answer(columns: Readonly<Record<string, string>>): Promise<void> {
    for (;;) {
      this.#packets.reset()
      const command = await this.#packets.read()
      if (command === undefined || command[0] === 1) return
      const query = command[0] === 3 && !/^set /i.test(command.toString('latin1', 1))
      this.#packets.write(...(query ? row(columns) : [okPacket]))
    }
  }

  async #next(): Promise<Buffer> {
    const packet = await this.#packets.read()
    if (packet === undefined) throw new Error('the client is gone')
    return packet
  }
}

/** How clients say that they have no password. */
const isNothing = (reply: Buffer): boolean => reply.length === 0 || (reply.length === 1 && reply[0] === 0)

const denied = (user: string, withPassword: boolean): MysqlError =>
  new MysqlError(
    1045,
    '28000',
    `Access denied for user '${user}'@'127.0.0.1' (using password: ${withPassword ? 'YES' : 'NO'})`,
  )

/** Neither NUL, which ends it in the greeting, nor `$`, as MySQL has it. */
const nonce = (): Buffer => Buffer.from(randomBytes(20).map((byte) => 37 + (byte % 90)))
