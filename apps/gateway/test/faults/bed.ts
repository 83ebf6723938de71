import { findFreePort, type Launched } from '@proxy/test-servers'
import { directoryOf, startGateway } from '../gateway-process.ts'
import { type Backend, blackHole, startBackend, type Tenant, tenants } from './backends.ts'
import { type ProtocolName, protocolNames, putOnce, speakers, type Talk, told } from './speakers.ts'
import { wire, type Wire } from './wire.ts'

export interface BedOptions {
  readonly protocols?: readonly ProtocolName[]
  /** Added to the configuration. */
  readonly config?: Readonly<Record<string, unknown>>
  readonly env?: Readonly<Record<string, string>>
}

/** Straight to the server, through a wire to it, or to a port that takes nothing. */
export type Where = Tenant | 'hole'
const places: readonly Where[] = [...tenants, 'hole']

/** Short, so that what has to be waited for in tests is. */
export const connectTimeoutMs = 700
const readinessTimeoutMs = 1_500
const handshakeTimeoutMs = 3_000

const optionsOf: Readonly<Record<ProtocolName, Record<string, unknown>>> = {
  http: { requestTimeoutMs: 2_000 },
  postgres: { readinessTimeoutMs },
  mysql: { readinessTimeoutMs },
  mongodb: { readinessTimeoutMs },
  smtp: { readinessTimeoutMs },
  tcp: {},
}

/** A gateway process in front of a real server for each protocol, straight and through a wire. */
export class Bed {
  readonly gateway: Launched
  readonly adminPort: number
  readonly backends: Readonly<Record<ProtocolName, Backend>>
  readonly wires: Readonly<Record<ProtocolName, Wire>>
  readonly #hole: { stop(): Promise<void> }
  readonly #ports: ReadonlyMap<string, number>
  readonly #acknowledged = new Map<ProtocolName, string[]>()
  #next = 0

  /** Use {@link bed}. */
  constructor(
    gateway: Launched,
    adminPort: number,
    backends: Record<ProtocolName, Backend>,
    wires: Record<ProtocolName, Wire>,
    hole: { stop(): Promise<void> },
    ports: ReadonlyMap<string, number>,
  ) {
    this.gateway = gateway
    this.adminPort = adminPort
    this.backends = backends
    this.wires = wires
    this.#hole = hole
    this.#ports = ports
  }

  port(protocol: ProtocolName, tenant: Where): number {
    return this.#ports.get(listenerOf(protocol, tenant))!
  }

  open(protocol: ProtocolName, tenant: Where = 'straight'): Promise<Talk> {
    return speakers[protocol](this.port(protocol, tenant), tenant)
  }

  /** One put on an open connection; what is acknowledged is remembered. */
  async put(protocol: ProtocolName, talk: Talk): Promise<void> {
    const id = this.#id(protocol)
    await talk.put(id)
    this.#remember(protocol, id)
  }

  async putOnce(protocol: ProtocolName, tenant: Where = 'straight'): Promise<void> {
    const id = this.#id(protocol)
    await putOnce(protocol, this.port(protocol, tenant), tenant, id)
    this.#remember(protocol, id)
  }

  /** What a new client is told. */
  async refusal(protocol: ProtocolName, tenant: Where = 'straight'): Promise<string> {
    return this.putOnce(protocol, tenant).then(() => 'served', told)
  }

  /** Milliseconds until a new client is served. Each that is not served before is told why; nobody hangs. */
  async untilWell(protocol: ProtocolName, tenant: Where = 'straight', mostMs = 15_000): Promise<number> {
    const begun = performance.now()
    for (;;) {
      const answer = await this.refusal(protocol, tenant)
      const passed = performance.now() - begun
      if (answer === 'served') return Math.round(passed)
      if (passed > mostMs) throw new Error(`${protocol} is still told ${answer} after ${Math.round(passed)} ms`)
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }

  /** Ids that were acknowledged, and that the backend does not have. */
  async lost(protocol: ProtocolName): Promise<string[]> {
    const stored = await this.backends[protocol].stored()
    return (this.#acknowledged.get(protocol) ?? []).filter((id) => !stored.has(id))
  }

  async stop(): Promise<void> {
    await this.gateway.stop('SIGKILL')
    await this.#hole.stop()
    await Promise.all(Object.values(this.wires).map((one) => one.down()))
    await Promise.all(Object.values(this.backends).map((backend) => (backend.thaw(), backend.stop())))
  }

  #id(protocol: ProtocolName): string {
    return `${protocol}-${this.#next++}`
  }

  #remember(protocol: ProtocolName, id: string): void {
    const ids = this.#acknowledged.get(protocol)
    if (ids === undefined) this.#acknowledged.set(protocol, [id])
    else ids.push(id)
  }
}

/** Raw TCP names no tenant: it has a listener for each. */
const listenerOf = (protocol: ProtocolName, tenant: Where): string => (protocol === 'tcp' ? `tcp-${tenant}` : protocol)

export async function bed(options: BedOptions = {}): Promise<Bed> {
  const protocols = options.protocols ?? protocolNames
  const backends = await eachOf(protocols, startBackend)
  const wires = await eachOf(protocols, (protocol) => wire(backends[protocol].port))
  const hole = await blackHole()
  const names = protocols.flatMap((protocol) => places.map((tenant) => listenerOf(protocol, tenant)))
  const ports = new Map<string, number>()
  for (const name of new Set(names)) ports.set(name, await findFreePort())
  const adminPort = await findFreePort()
  const config = {
    listeners: [...ports].map(([name, port]) => listenerConfig(name, port)),
    resolver: './resolver.mjs',
    guard: { allow: ['127.0.0.0/8'] },
    admin: { address: adminPort },
    connectTimeoutMs,
    workers: 1,
    log: { level: 'debug', pretty: false },
    ...options.config,
  }
  const endpoints = Object.fromEntries(
    protocols.map((protocol) => [
      protocol,
      { straight: backends[protocol].port, wired: wires[protocol].port, hole: hole.port },
    ]),
  )
  const cwd = directoryOf({ 'gateway.config.json': JSON.stringify(config), 'resolver.mjs': resolverModule(endpoints) })
  const gateway = await startGateway({ cwd, ...(options.env && { env: options.env }) })
  return new Bed(gateway, adminPort, backends, wires, hole, ports)
}

function listenerConfig(name: string, port: number): Record<string, unknown> {
  const [protocol, tenant] = name.split('-') as [ProtocolName, string | undefined]
  const options = tenant === undefined ? optionsOf[protocol] : { key: tenant }
  return { name, address: `127.0.0.1:${port}`, protocol, options, limits: { handshakeTimeoutMs } }
}

const resolverModule = (endpoints: unknown): string => `
const endpoints = ${JSON.stringify(endpoints)}
export default ({ listener, key }) => ({
  endpoint: '127.0.0.1:' + endpoints[listener.split('-')[0]][key.split('.')[0]],
})
`

async function eachOf<T>(
  protocols: readonly ProtocolName[],
  make: (protocol: ProtocolName) => Promise<T>,
): Promise<Record<ProtocolName, T>> {
  const made = await Promise.all(protocols.map(async (protocol) => [protocol, await make(protocol)] as const))
  return Object.fromEntries(made) as Record<ProtocolName, T>
}
