import {
  type Backend,
  type Disposer,
  filteredRelay,
  GatewayError,
  type Protocol,
  type ProtocolContext,
  type Relay,
  type RelayFilter,
  type RelayOptions,
  type Session,
} from '@proxy/kernel'
import { Quirks } from './backend-login.ts'
import { has, offered } from './capabilities.ts'
import { type ClientLogin, readLogin } from './client-login.ts'
import { type ClientProof, takeProof, welcome } from './client-proof.ts'
import { CommandFilter } from './command-filter.ts'
import { type Running, SessionScope } from './session-scope.ts'
import {
  addressOf,
  type Caller as ConnectionCaller,
  type Connection,
  Connections,
  connectionsTopic,
  ownerHere,
} from './connections.ts'
import { credentialsOf } from './credentials.ts'
import { demandCredentials, type Established, type Establishing, logInFor, passOn } from './establish.ts'
import { encodeGreeting, type Greeting, mintScramble } from './greeting.ts'
import { chosenDatabase } from './init-db.ts'
import { type MysqlOptions, type MysqlSettings, settingsOf } from './options.ts'
import { ClientEnd } from './packets.ts'
import { mintRsaKey, type RsaKey } from './password-bridge.ts'
import { ready } from './ready.ts'
import { goodbye, refusal } from './refusals.ts'
import { findRoute, noKey, type Route, routeTo } from './routing.ts'

/** A client that has said who it is. */
interface Caller extends ClientLogin {
  readonly session: Session
  readonly client: ClientEnd
  readonly greeting: Greeting
}

interface Found {
  readonly route: Route
  /** Taken already, of a client that was let in ahead of its route. */
  readonly proof: ClientProof | undefined
}

class Mysql implements Protocol {
  readonly api = 1
  readonly name = 'mysql'
  readonly speaksFirst = 'server'
  readonly defaultPort = 3306
  readonly ready = ready
  readonly #settings: MysqlSettings
  readonly #clients: WeakMap<Session, ClientEnd> = new WeakMap()
  readonly #quirks: Quirks = new Quirks()
  readonly #rsaKey = (): Promise<RsaKey> => (this.#minted ??= mintRsaKey())
  #minted: Promise<RsaKey> | undefined = undefined
  #running: Running | undefined = undefined

  constructor(settings: MysqlSettings) {
    this.#settings = settings
  }

  setup(context: ProtocolContext): Disposer {
    const connections = context.shared(connectionsTopic, () => new Connections())
    this.#running = { context, connections }
    return connections.join(context.peers)
  }

  async serve(session: Session): Promise<void> {
    const caller = await this.#greet(session)
    const route = findRoute(caller.login, session.client.tls?.serverName, this.#settings)
    const found = route === undefined ? await this.#routeOtherwise(caller) : { route, proof: undefined }
    if (found === undefined) return
    const answer = session.resolve(found.route.key, found.route.attributes)
    const backend = answer instanceof Promise ? await answer : answer
    const opened = await this.#logIn(caller, found.route, backend, found.proof)
    if (opened !== undefined) this.#relay(caller, opened, found.route)
  }

  refuse(error: GatewayError, session: Session): Uint8Array | undefined {
    return refusal(error, this.#clients.get(session)?.refusalSequence ?? 0)
  }

  get #inGateway(): Running {
    if (this.#running === undefined) throw new GatewayError('PROXY_INTERNAL', { cause: new Error('not set up') })
    return this.#running
  }

  async #greet(session: Session): Promise<Caller> {
    if (session.tlsMode === 'passthrough') {
      throw new GatewayError('PROXY_CONFIG_INVALID', { message: 'MySQL cannot be passed through by server name' })
    }
    const { connections, context } = this.#inGateway
    const { features, serverVersion, authPlugin } = this.#settings
    const client = new ClientEnd(session.client)
    const greeting: Greeting = {
      version: serverVersion,
      connectionId: connections.mint(ownerHere(this.#settings.node, context.peers)),
      flags: offered(features, session.client.canSecure),
      scramble: mintScramble(),
      plugin: authPlugin,
    }
    this.#clients.set(session, client)
    await client.write(encodeGreeting(greeting))
    return { session, client, greeting, ...(await readLogin(session, client)) }
  }

  /** The route of a client that names no tenant in its login. */
  async #routeOtherwise(caller: Caller): Promise<Found | undefined> {
    const { session, login } = caller
    if (this.#settings.routeByInitDb) return this.#chosen(caller)
    const { connections, context } = this.#inGateway
    const tenant = await connections.onlyTenantOf(context.peers, callerOf(caller))
    if (tenant === undefined) throw noKey(this.#settings)
    const { serverName } = session.client.tls ?? {}
    return { route: routeTo(tenant, login.user, login, serverName, this.#settings), proof: undefined }
  }

  /**
   * The route of a client that chooses a database first. It is let in without having proven anything,
   * to no place at all: its proof is kept, and held against the credentials of the tenant that it asks for.
   */
  async #chosen({ session, client, login, greeting }: Caller): Promise<Found | undefined> {
    const proof = await takeProof(client, login, greeting)
    await welcome(client, proof)
    const database = await chosenDatabase(client)
    if (database === undefined) return undefined
    const chosen = { ...login, database }
    const { serverName } = session.client.tls ?? {}
    return { route: routeTo(database, login.user, chosen, serverName, this.#settings), proof }
  }

  /** undefined: the backend has declined, and the client knows. */
  async #logIn(
    { session, client, login, inBandTls, greeting }: Caller,
    route: Route,
    backend: Backend,
    proof: ClientProof | undefined,
  ): Promise<Established | undefined> {
    const call: Establishing = {
      session,
      client,
      backend,
      login,
      inBandTls,
      as: route.login,
      settings: this.#settings,
      clock: this.#inGateway.context.clock,
      quirks: this.#quirks,
      rsaKey: this.#rsaKey,
    }
    const credentials = credentialsOf(backend.metadata)
    if (proof !== undefined) return logInFor(call, route.user, proof, demandCredentials(credentials, backend), true)
    if (credentials === undefined) return passOn(call)
    return logInFor(call, route.user, await takeProof(client, login, greeting), credentials, false)
  }

  #relay(caller: Caller, { upstream, greeting, login, ok }: Established, route: Route): void {
    const { session } = caller
    const { connectionId: id } = caller.greeting
    const [tenant, address] = [route.key, addressOf(upstream)]
    const backendId = greeting.connectionId
    const connection: Connection = { id, tenant, address, backendId, caller: callerOf(caller) }
    const first = caller.client.next(ok)
    const scope = new SessionScope(this.#inGateway, this.#settings, connection)
    const filter = new CommandFilter(scope, has(login.flags, 'queryAttributes'), answersCommand(first) ? 1 : 0)
    const options: RelayOptions = { goodbye, relay: beginningWith(first, filter) }
    try {
      session.handOver(upstream, options, scope)
    } catch (cause) {
      scope.relayed()
      throw cause
    }
  }
}

/** The relay sends the OK itself, and so knows from the beginning that nothing is under way. */
function beginningWith(ok: Buffer, filter: RelayFilter): Relay {
  const { name, start } = filteredRelay(filter)
  return {
    name,
    start: (request) => start({ ...request, backendUnread: Buffer.concat([ok, request.backendUnread]) }),
  }
}

/** The OK to a login is numbered behind it; the one to the choice of a database is not. */
function answersCommand(ok: Buffer): boolean {
  return ok[3] === 1
}

function callerOf({ login, session }: Caller): ConnectionCaller {
  return { user: login.user, host: session.client.peer.host }
}

/**
 * MySQL and MariaDB (protocol 10): routes a session by database, SNI or user name and relays it to its end. No pooling:
 * each client connection is one backend connection.
 *
 * Throws `PROXY_CONFIG_INVALID` for options that make no sense.
 */
export function mysql(options: MysqlOptions = {}): Protocol {
  return new Mysql(settingsOf(options))
}
