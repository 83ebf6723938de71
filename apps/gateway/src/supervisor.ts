import { randomBytes } from 'node:crypto'
import { type Address, type GatewayPhase, parseAddress, type Transport } from '@proxy/kernel'
import { AdminServer, type AdminSource } from './admin/admin.ts'
import type { AccessOptions } from './admin/access.ts'
import { Operator, type OperatorSource } from './admin/api/operator.ts'
import { adminToken } from './admin/token.ts'
import type { FleetSnapshot, WorkerSnapshot } from './admin/snapshot.ts'
import { defaultDrainDeadlineMs, defaultMaxTenants } from './config/defaults.ts'
import { loadSource, type LoadedConfig } from './config/load.ts'
import type { ConfigSource } from './config/source.ts'
import type { AdminConfig, DrainConfig } from './config/types.ts'
import { embeddedPorts } from './embedded/config.ts'
import { type EmbeddedBackends, embeddedBackends } from './embedded/backends.ts'
import { MailStore, type StoredMail } from './embedded/mail-store.ts'
import type { EmbeddedPlan } from './embedded/plan.ts'
import type { Environment } from './env/variables.ts'
import { type Announcement, announceTopic } from './fleet/announcer.ts'
import { ClusterFleet } from './fleet/cluster-fleet.ts'
import type { Fleet } from './fleet/fleet.ts'
import { ClusterMember } from './fleet/cluster-member.ts'
import { operateTopics } from './fleet/operations.ts'
import { type Envelope, PeerLink } from './fleet/peer-link.ts'
import { topics, type WorkerPlan } from './fleet/plan.ts'
import { SingleFleet } from './fleet/single-fleet.ts'
import { chooseTransport, nameOf, type TransportName } from './fleet/transport.ts'
import type { BoundListener } from './fleet/unit.ts'
import type { Logger } from './logging/logger.ts'
import { OwnResolvers } from './placement/own-resolvers.ts'
import { ResolverHost } from './placement/resolver-host.ts'

export interface SupervisorOptions {
  readonly source: ConfigSource
  readonly env: Environment
  readonly cwd: string
  readonly logger: Logger
  /** Processes; 1 = this one alone. */
  readonly workers: number
  /** Module that worker processes run. */
  readonly exec: string
}

/** What runs, for the table that is printed at the start. */
export interface Running {
  readonly listeners: readonly BoundListener[]
  readonly admin: Address | undefined
  readonly transport: TransportName
  readonly embedded: EmbeddedPlan | undefined
}

/** The primary process: it owns the workers, the admin listener and the embedded backends. */
export class Supervisor implements AdminSource, OperatorSource {
  readonly #options: SupervisorOptions
  readonly operator: Operator = new Operator(this)
  readonly #peers: PeerLink
  readonly #resolvers = new OwnResolvers()
  /** undefined: there is one process, which has its resolver itself. */
  readonly #host: ResolverHost | undefined
  readonly #ticketKeys: Buffer = randomBytes(48)
  readonly #startedAt = performance.now()
  readonly #reloads = { ok: 0, failed: 0 }
  #embedded: EmbeddedBackends | undefined
  #mails: MailStore | undefined
  #config: LoadedConfig | undefined
  #fleet: Fleet | undefined
  /** undefined: this machine is alone. */
  #member: ClusterMember | undefined
  #admin: AdminServer | undefined
  #transport: TransportName = 'node'
  #phase: GatewayPhase = 'idle'
  #generation = 0
  #reloading: Promise<void> = Promise.resolve()
  #draining: Promise<void> | undefined
  readonly #drained: PromiseWithResolvers<void> = Promise.withResolvers()

  constructor(options: SupervisorOptions) {
    this.#options = options
    this.#peers = new PeerLink(0, (envelope) => this.#send(envelope))
    this.#host = options.workers === 1 ? undefined : new ResolverHost(this.#peers, this.#resolvers, options.logger)
    this.#peers.answer(announceTopic, (news, from) => this.operator.announced(from, news as Announcement))
    this.operator.events.subscribe(({ kind, facts }) => {
      if (kind === 'operator') options.logger.warn(facts, 'an operator acted')
    })
  }

  get ready(): boolean {
    return this.#phase === 'open' && this.#fleet !== undefined && this.#fleet.serving > 0
  }

  get mails(): readonly StoredMail[] | undefined {
    return this.#mails?.list()
  }

  /** All or nothing. */
  async open(): Promise<Running> {
    try {
      await this.#openEmbedded()
      this.#config = await this.#load(0)
      const transport = this.#chooseTransport(this.#config)
      const admin = await this.#openAdmin()
      await this.#host?.prepare(this.#config)
      await this.#joinCluster(this.#config, admin)
      this.#fleet = this.#newFleet(transport)
      const listeners = await this.#fleet.open()
      this.#phase = 'open'
      return { listeners, admin, transport: this.#transport, embedded: this.#embedded?.plan }
    } catch (error) {
      await this.close()
      throw error
    }
  }

  /** Reads the configuration again. One at a time; a failure is logged and changes nothing. */
  reload(): Promise<void> {
    this.#reloading = this.#reloading.then(() => this.#reload())
    return this.#reloading
  }

  /** Settles as a drain does, whoever asked for it. */
  get drained(): Promise<void> {
    return this.#drained.promise
  }

  /** Asked again, it is the same drain. */
  drain(): Promise<void> {
    this.#draining ??= this.#drain()
    this.#drained.resolve(this.#draining)
    return this.#draining
  }

  ask(topic: string, message: unknown): Promise<readonly unknown[]> {
    if (topic === operateTopics.purge) this.#member?.announcePurge(String(message))
    return this.#askFleet(topic, message)
  }

  #askFleet(topic: string, message: unknown): Promise<readonly unknown[]> {
    return this.#fleet?.ask(topic, message) ?? Promise.resolve([])
  }

  async #drain(): Promise<void> {
    this.#phase = 'draining'
    const { delayMs = 0, deadlineMs = defaultDrainDeadlineMs }: DrainConfig = this.#config?.config.drain ?? {}
    this.#options.logger.info({ delayMs, deadlineMs }, 'draining')
    this.operator.events.add('drain', { delayMs, deadlineMs })
    await this.#fleet?.drain({ delayMs, deadlineMs })
    await this.close()
  }

  async close(): Promise<void> {
    await this.#fleet?.close()
    this.#phase = 'closed'
    await this.#member?.close()
    await this.#host?.close()
    await this.#admin?.close()
    await this.#embedded?.resolver.close()
  }

  /** What is left to do when the process exits without `close`. */
  abandon(): void {
    this.#embedded?.abandon()
  }

  async snapshot(): Promise<FleetSnapshot> {
    const admin = this.#config?.config.admin
    return {
      phase: this.#phase,
      uptimeMs: performance.now() - this.#startedAt,
      transport: this.#transport,
      workers: (await this.#fleet?.snapshots()) ?? [],
      retired: this.#fleet?.retired ?? [],
      restarts: this.#fleet?.restarts ?? 0,
      reloads: this.#reloads,
      resolver: this.#host?.stats(),
      cluster: this.#member?.stats(),
      maxTenants: (typeof admin === 'object' ? admin.maxTenants : undefined) ?? defaultMaxTenants,
    }
  }

  async #reload(): Promise<void> {
    const { logger } = this.#options
    if (this.#phase !== 'open') return
    try {
      const generation = ++this.#generation
      const loaded = await this.#load(generation)
      await this.#reloadFleet(loaded)
      this.#config = loaded
      this.#reloads.ok++
      this.operator.events.add('reload', { ok: true, generation })
      logger.info({ generation, source: loaded.source }, 'reloaded')
    } catch (error) {
      this.#reloads.failed++
      this.operator.events.add('reload', { ok: false })
      logger.error({ err: error }, 'the reload failed; everything goes on as before')
    }
  }

  /** Its resolver is there before any worker asks for it, and what was before ends when no worker does. */
  async #reloadFleet(loaded: LoadedConfig): Promise<void> {
    const { generation } = loaded
    await this.#host?.prepare(loaded)
    try {
      await this.#fleet?.reload(generation)
    } catch (error) {
      this.#host?.rollback(generation)
      throw error
    }
    this.#host?.commit(generation)
  }

  #load(generation: number): Promise<LoadedConfig> {
    const { source, env, cwd } = this.#options
    return loadSource(source, { env, cwd, generation, embedded: this.#embedded })
  }

  async #openEmbedded(): Promise<void> {
    if (this.#options.source.kind !== 'embedded') return
    this.#mails = new MailStore()
    const { logger } = this.#options
    this.#embedded = await embeddedBackends(this.#mails, (title) => {
      logger.warn(`${title} has ended; the next connection starts it again`)
    })
  }

  async #openAdmin(): Promise<Address | undefined> {
    const address = adminAddress(this.#config?.config.admin)
    if (address === undefined) return undefined
    this.#admin = new AdminServer(this, this.#access())
    return this.#admin.open(address)
  }

  #access(): AccessOptions {
    const admin = this.#config?.config.admin
    const options = typeof admin === 'object' ? admin : {}
    return { token: options.token ?? adminToken(this.#options.env), hosts: options.hosts ?? [] }
  }

  async #joinCluster({ config }: LoadedConfig, admin: Address | undefined): Promise<void> {
    if (config.cluster === undefined) return
    const { workers, logger } = this.#options
    this.#member = await ClusterMember.join(config.cluster, {
      peers: this.#peers,
      workers,
      logger,
      admin,
      purge: (key) => this.#askFleet(operateTopics.purge, key),
      connections: async () => countConnections((await this.#fleet?.snapshots()) ?? []),
    })
  }

  /** Here for all workers, so that it is said once. */
  #chooseTransport(loaded: LoadedConfig): Transport {
    const { workers, logger } = this.#options
    const transport = chooseTransport(loaded, workers, (reason) => {
      logger.warn({ reason }, "connections are made by Node's sockets, not by epoll")
    })
    this.#transport = nameOf(transport)
    return transport
  }

  #newFleet(transport: Transport): Fleet {
    const { workers, exec, env, logger } = this.#options
    const context = { peers: this.#peers, logger, ticketKeys: this.#ticketKeys, resolvers: this.#resolvers, transport }
    if (workers === 1) return new SingleFleet((generation) => this.#load(generation), context)
    this.#peers.answer(topics.plan, () => this.#plan())
    const defined = Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined)
    return new ClusterFleet({
      workers,
      exec,
      logger,
      peers: this.#peers,
      env: Object.fromEntries(defined),
      exited: (worker) => this.#host?.forget(worker),
      changed: (worker, change) => this.operator.workerChanged(worker, change),
    })
  }

  /** A worker that is started later begins with the configuration of the latest reload. */
  #plan(): WorkerPlan {
    const { source, cwd } = this.#options
    const ticketKeys = this.#ticketKeys.toString('base64')
    const { node } = this.#peers
    const embedded = this.#embedded?.plan
    return { source, cwd, node, generation: this.#generation, embedded, transport: this.#transport, ticketKeys }
  }

  #send(envelope: Envelope): boolean {
    return this.#fleet instanceof ClusterFleet && this.#fleet.send(envelope)
  }
}

function countConnections(snapshots: readonly WorkerSnapshot[]): number {
  return snapshots.reduce((sum, { gateway }) => sum + gateway.sessions, 0)
}

/** undefined: no admin listener. */
export function adminAddress(config: AdminConfig | boolean | undefined): Address | undefined {
  if (config === false) return undefined
  const address = (typeof config === 'object' ? config.address : undefined) ?? embeddedPorts.admin
  return parseAddress(/^\d+$/.test(String(address)) ? `127.0.0.1:${address}` : address)
}
