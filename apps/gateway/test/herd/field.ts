import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { findFreePort, type Launched } from '@proxy/test-servers'
import { directoryOf, startGateway, statsOf } from '../gateway-process.ts'
import { type ProtocolName, protocolNames } from '../faults/speakers.ts'
import { herdClient, type HerdClient } from './clients.ts'

export interface FieldOptions {
  readonly workers?: number
  readonly coldStart?: Readonly<Record<string, unknown>>
  /** Default true. */
  readonly cache?: boolean
}

/** What the gateway's hooks said, in milliseconds of the machine's monotonic clock. */
export interface Observed {
  readonly wakes: readonly { readonly at: number; readonly failed: boolean }[]
  /** When sessions were told where to go. */
  readonly routes: readonly number[]
  /** Dials; those of probes have no session. */
  readonly dials: readonly {
    readonly protocol: string
    readonly from: number
    readonly to: number
    readonly session: boolean
  }[]
  /** The backend listened, or the late resolver answered. */
  readonly readyAt: number
}

const module = (name: string): string => fileURLToPath(new URL(`./${name}`, import.meta.url))

/** A gateway process with one tenant, which sleeps, and whose one process speaks every protocol. */
export class Field {
  readonly gateway: Launched
  readonly adminPort: number
  readonly directory: string
  readonly #ports: Readonly<Record<string, number>>
  readonly #deskPort: number

  /** Use {@link field}. */
  constructor(
    gateway: Launched,
    directory: string,
    ports: Record<string, number>,
    adminPort: number,
    deskPort: number,
  ) {
    this.gateway = gateway
    this.directory = directory
    this.#ports = ports
    this.adminPort = adminPort
    this.#deskPort = deskPort
  }

  port(protocol: ProtocolName): number {
    return this.#ports[protocol]!
  }

  client(protocol: ProtocolName, tenant: string): HerdClient {
    return herdClient(protocol, this.port(protocol), tenant)
  }

  /** So many clients, of every protocol in turn. */
  herd(size: number, protocols: readonly ProtocolName[] = protocolNames): HerdClient[] {
    return Array.from({ length: size }, (_, index) => this.client(protocols[index % protocols.length]!, 'herd'))
  }

  /** How often the tenant was started so far. */
  get starts(): number {
    const file = join(this.directory, 'starts')
    return existsSync(file) ? readFileSync(file, 'utf8').length : 0
  }

  /** The backend may serve; a late resolver may answer. */
  letGo(file: 'go' | 'answer' = 'go'): void {
    writeFileSync(join(this.directory, file), '')
  }

  /** The next start, and the next answer, have to wait for {@link letGo}. */
  holdBack(): void {
    for (const file of ['go', 'answer']) rmSync(join(this.directory, file), { force: true })
  }

  /** Until {@link sleep}, the tenant runs, and its resolver is late with its answer. */
  late(): Promise<unknown> {
    return this.#desk('late')
  }

  /** Until {@link sleep}, the resolver does not wait for what it starts. */
  hasty(): Promise<unknown> {
    return this.#desk('hasty')
  }

  /** Collects the gateway's garbage. */
  settle(): Promise<unknown> {
    return this.#desk('settle')
  }

  /** The backend listens no more: the tenant sleeps again. */
  sleep(): Promise<unknown> {
    return this.#desk('sleep')
  }

  counts(): Promise<{ accepted: Record<string, number>; served: Record<string, number> }> {
    return this.#desk('counts')
  }

  observed(): Promise<Observed> {
    return this.#desk('observed')
  }

  /** How often the resolver was asked: without a cache, once for each session. */
  async asked(): Promise<number> {
    const { resolver } = await statsOf(this.adminPort)
    return resolver['asked'] as number
  }

  /** Connections that are open to the gateway. */
  async connections(): Promise<number> {
    const { listeners } = await statsOf(this.adminPort)
    return listeners.reduce((sum, { connections }) => sum + connections, 0)
  }

  async residentBytes(): Promise<number> {
    const { workers } = await statsOf(this.adminPort)
    const of = ({ pid }: { pid: number }): number =>
      Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1_024
    return workers.reduce((sum, worker) => sum + of(worker), 0)
  }

  /** Processor time of the gateway's processes so far, in milliseconds. */
  async cpuMs(): Promise<number> {
    const { workers } = await statsOf(this.adminPort)
    const of = (pid: number): number =>
      readdirSync(`/proc/${pid}/task`)
        .map((task) => Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8').split(' ')[0]))
        .reduce((sum, ns) => sum + ns / 1e6, 0)
    return workers.reduce((sum, { pid }) => sum + of(pid), 0)
  }

  /** The gateway's processes have a processor to themselves, whatever runs now has another. */
  async pin(): Promise<void> {
    const { workers } = await statsOf(this.adminPort)
    const { backend } = await this.#desk<{ backend: number }>('backend')
    for (const { pid } of workers) bind(pid, 0)
    for (const pid of [backend, process.pid]) bind(pid, 1)
  }

  async stop(): Promise<void> {
    await this.gateway.stop()
  }

  async #desk<T>(path: string): Promise<T> {
    const response = await fetch(`http://127.0.0.1:${this.#deskPort}/${path}`)
    return (await response.json()) as T
  }
}

function bind(pid: number, processor: number): void {
  execFileSync('taskset', ['-a', '-c', '-p', `${processor}`, `${pid}`])
}

export async function field({ workers = 1, coldStart = {}, cache = true }: FieldOptions = {}): Promise<Field> {
  const named = async (names: readonly string[]): Promise<Record<string, number>> =>
    Object.fromEntries(await Promise.all(names.map(async (name) => [name, await findFreePort()] as const)))
  const listeners = await named(protocolNames)
  const backends = await named(protocolNames)
  const [adminPort, deskPort] = [await findFreePort(), await findFreePort()]
  const settings = { listeners, adminPort, workers, coldStart, cache }
  const directory = directoryOf({
    'ports.json': JSON.stringify(backends),
    'gateway.config.mjs': configModule(settings),
    'resolver.mjs': resolverModule({ deskPort }),
  })
  const gateway = await startGateway({ cwd: directory })
  return new Field(gateway, directory, listeners, adminPort, deskPort)
}

function configModule({
  listeners,
  adminPort,
  workers,
  coldStart,
  cache,
}: {
  listeners: Record<string, number>
  adminPort: number
  workers: number
  coldStart: unknown
  cache: boolean
}): string {
  const config = {
    listeners: Object.entries(listeners).map(([protocol, port]) => ({
      name: protocol,
      address: `127.0.0.1:${port}`,
      protocol,
      backlog: 4_096,
      ...(protocol === 'tcp' ? { options: { key: 'herd' } } : {}),
    })),
    resolver: './resolver.mjs',
    coldStart,
    cache,
    guard: { allow: ['127.0.0.0/8'] },
    admin: { address: adminPort },
    workers,
  }
  return `import { observer } from ${JSON.stringify(module('observer.ts'))}\nexport default { ...${JSON.stringify(config)}, layers: [observer()] }\n`
}

const resolverModule = (options: { deskPort: number }): string => `
import { herdResolver } from ${JSON.stringify(module('resolver.ts'))}
const options = ${JSON.stringify({ ...options, scripts: import.meta.dirname })}
export default herdResolver({ ...options, directory: import.meta.dirname })
`
