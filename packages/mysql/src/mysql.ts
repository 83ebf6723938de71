import {
  type Backend,
  type Disposer,
  GatewayError,
  type Protocol,
  type ProtocolContext,
  type RelayOptions,
  type Session,
  filteredRelay,
} from '@proxy/kernel'
import { Authentication } from './authentication.ts'
import { askAgain, openBackend, type Opened, type Opening, Quirks } from './backend-login.ts'
import { has, offered } from './capabilities.ts'
import { type ClientLogin, readLogin } from './client-login.ts'
import { CommandFilter } from './command-filter.ts'
import { addressOf, type Connection, Connections, connectionsTopic, type IdOwner } from './connections.ts'
import { encodeGreeting, type Greeting, mintScramble } from './greeting.ts'
import { endsIdle } from './idle.ts'
import { type MysqlOptions, type MysqlSettings, settingsOf } from './options.ts'
import { ClientEnd } from './packets.ts'
import { mintRsaKey, type Protection, type RsaKey } from './password-bridge.ts'
import { goodbye, refusal } from './refusals.ts'
import { findRoute, noKey, type Route } from './routing.ts'
import { encodeAuthSwitch } from './wire.ts'

interface Running {
  readonly context: ProtocolContext
  readonly connections: Connections
  readonly owner: IdOwner
}

/** A client that has said who it is. */
interface Caller extends ClientLogin {
  readonly session: Session
  readonly client: ClientEnd
  readonly greeting: Greeting
}

type Greeted = Exclude<Opened, { error: Buffer }>

class Mysql implements Protocol {
  readonly api = 1
  readonly name = 'mysql'
  readonly speaksFirst = 'server'
  readonly defaultPort = 3306
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
    this.#running = { context, connections, owner: { node: this.#settings.node, worker: context.peers.self } }
    return connections.join(context.peers)
  }

  async serve(session: Session): Promise<void> {
    const caller = await this.#greet(session)
    const route = findRoute(caller.login, session.client.tls?.serverName, this.#settings)
    if (route === undefined) throw noKey(this.#settings)
    const answer = session.resolve(route.key, route.attributes)
    const backend = answer instanceof Promise ? await answer : answer
    const opened = await this.#logIn(caller, route, backend)
    // Not awaited: what was read of the login need not live as long as the session.
    if (opened !== undefined) return this.#relay(caller.session, opened, caller.greeting.connectionId, route)
  }

  refuse(error: GatewayError, session: Session): Uint8Array | undefined {
    return refusal(error, this.#clients.get(session)?.refusalSequence ?? 0)
  }

  get #inGateway(): Running {
    if (this.#running === undefined) throw new GatewayError('PROXY_INTERNAL', { cause: new Error('not set up') })
    return this.#running
  }

  async #greet(session: Session): Promise<Caller> {
    const { connections, owner } = this.#inGateway
    const { features, serverVersion, authPlugin } = this.#settings
    if (session.tlsMode === 'passthrough') {
      throw new GatewayError('PROXY_CONFIG_INVALID', { message: 'MySQL cannot be passed through by server name' })
    }
    const client = new ClientEnd(session.client)
    const greeting: Greeting = {
      version: serverVersion,
      connectionId: connections.mint(owner),
      flags: offered(features, session.client.canSecure),
      scramble: mintScramble(),
      plugin: authPlugin,
    }
    this.#clients.set(session, client)
    await client.write(encodeGreeting(greeting))
    return { session, client, greeting, ...(await readLogin(session, client)) }
  }

  /** undefined: the backend has declined, and the client knows. */
  async #logIn(
    { session, client, login, inBandTls }: Caller,
    route: Route,
    backend: Backend,
  ): Promise<Greeted | undefined> {
    const { settings, clock } = { settings: this.#settings, clock: this.#inGateway.context.clock }
    const opening: Opening = { session, backend, login, as: route.login, settings, clock }
    let opened = await openBackend(opening)
    let first = 'error' in opened || this.#quirks.has(backend.id) ? undefined : await askAgain(opened)
    if (first === undefined && !('error' in opened)) {
      // It is shown the client's answer to its greeting, on a connection that is still fresh.
      if (!this.#quirks.has(backend.id)) {
        this.#quirks.add(backend.id)
        opened.greeted.upstream.destroy()
        opened = await openBackend(opening)
      }
    }
    if ('error' in opened) {
      await client.write(opened.error)
      return undefined
    }
    const setting = {
      client,
      backend: opened.end,
      protection: protectionOf(inBandTls, opened),
      policy: settings.passwordBridge,
      rsaKey: this.#rsaKey,
    }
    const { plugin, scramble } = opened.greeting
    const authentication = new Authentication(setting, first === undefined ? opened.login : undefined)
    first ??= encodeAuthSwitch(plugin === '' ? 'mysql_native_password' : plugin, scramble)
    return (await authentication.run(first)) ? opened : undefined
  }

  #relay(session: Session, opened: Greeted, id: number, route: Route): Promise<void> {
    const { upstream } = opened.greeted
    const { connections, context, owner } = this.#inGateway
    const address = addressOf(upstream)
    const connection: Connection = { id, tenant: route.key, address, backendId: opened.greeting.connectionId }
    const filter = new CommandFilter(
      (target) => connections.find(context.peers, owner, { id: target, tenant: route.key, address }),
      (user) => user,
      has(opened.login.flags, 'queryAttributes'),
    )
    const options: RelayOptions = { quiet: endsIdle, goodbye, relay: filteredRelay(filter) }
    connections.add(connection)
    return session.relay(upstream, options).then(
      () => connections.forget(connection),
      (error: unknown) => {
        connections.forget(connection)
        throw error
      },
    )
  }
}

function protectionOf(client: boolean, { greeted, login }: Greeted): Protection {
  const backend = has(login.flags, 'ssl')
  return { client, backend, backendEncrypted: backend || greeted.upstream.backend.tls?.mode === 'implicit' }
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
