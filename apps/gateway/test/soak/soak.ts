import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { findFreePort, type Launched } from '@proxy/test-servers'
import { directoryOf, startGateway, statsOf } from '../gateway-process.ts'
import { type ProtocolName, protocolNames } from '../faults/speakers.ts'
import { Faults, type FaultWindow } from './faults.ts'
import { client, type Deed } from './load.ts'
import { Random } from './random.ts'
import { servers, type Servers } from './servers.ts'
import { type Trend, trendOf } from './verdict.ts'
import { FileWatch, readSamples, seriesOf } from './watch.ts'

export interface SoakOptions {
  readonly minutes: number
  readonly seed: number
  /** For each protocol. */
  readonly clients: number
}

export interface SoakResult {
  readonly minutes: number
  readonly seed: number
  readonly served: Readonly<Record<string, number>>
  /** Errors inside of a window in which they may be. */
  readonly explained: Readonly<Record<string, number>>
  readonly unexplained: readonly Deed[]
  /** Acknowledged, and not there. */
  readonly lost: readonly string[]
  readonly faults: Readonly<Record<string, number>>
  readonly wakes: number
  readonly sleeps: number
  readonly trends: readonly Trend[]
  /** Lines of the gateway's log at `error` that are no dead worker. */
  readonly complaints: readonly string[]
}

const sampleMs = 2_000
const module = (name: string): string => fileURLToPath(new URL(`./${name}`, import.meta.url))

interface Ports {
  readonly listeners: Readonly<Record<ProtocolName, number>>
  readonly admin: number
  readonly desk: number
}

export async function soak(options: SoakOptions): Promise<SoakResult> {
  const ports = await somePorts()
  const real = await servers()
  await real.open(ports.desk)
  const directory = directoryOf(files(ports, real))
  const gateway = await startGateway({ cwd: directory })
  try {
    return await run(options, { ports, real, directory, gateway })
  } finally {
    if (process.env['SOAK_LOG'] !== undefined) writeFileSync('soak.log', gateway.output)
    await gateway.stop()
    await real.stop()
  }
}

interface Scene {
  readonly ports: Ports
  readonly real: Servers
  readonly directory: string
  readonly gateway: Launched
}

async function run({ minutes, seed, clients }: SoakOptions, scene: Scene): Promise<SoakResult> {
  const { ports, real, gateway } = scene
  const end = performance.now() + minutes * 60_000
  const over = (): boolean => performance.now() >= end
  const deeds: Deed[] = []
  const served: Record<string, number> = {}
  const acknowledged = new Map<ProtocolName, string[]>(protocolNames.map((name) => [name, []]))
  const random = new Random(seed)
  const faults = new Faults({ gateway, adminPort: ports.admin, servers: real, random, over })
  const watch = new FileWatch()
  const timer = setInterval(() => void look(watch, scene).catch(() => {}), sampleMs)
  const done = (deed: Deed): void => {
    if (deed.told === 'ok') served[deed.protocol] = (served[deed.protocol] ?? 0) + 1
    else deeds.push(deed)
  }
  const loads = protocolNames.flatMap((protocol) =>
    Array.from({ length: clients }, (_, index) =>
      client(protocol, {
        port: ports.listeners[protocol],
        random: new Random(seed + 1_000 * index + protocol.length),
        done,
        acknowledged: (id) => acknowledged.get(protocol)!.push(id),
        over,
      }),
    ),
  )
  await Promise.all([faults.run(), ...loads])
  clearInterval(timer)
  const lost = await lostOf(real, acknowledged)
  const unexplained = deeds.filter((deed) => !isExplained(deed, faults.windows))
  const explained: Record<string, number> = {}
  for (const { protocol, told } of deeds.filter((deed) => !unexplained.includes(deed))) {
    const name = `${protocol}: ${told}`
    explained[name] = (explained[name] ?? 0) + 1
  }
  const { wakes, sleeps } = real
  const trends = await trendsOf(watch, scene)
  const complaints = complaintsOf(gateway.output)
  if (process.env['SOAK_LOG'] !== undefined) writeFileSync('soak.log', gateway.output)
  return {
    minutes,
    seed,
    served,
    explained,
    unexplained,
    lost,
    faults: faults.counts,
    wakes,
    sleeps,
    trends,
    complaints,
  }
}

const isExplained = ({ protocol, from, to }: Deed, windows: readonly FaultWindow[]): boolean =>
  windows.some((window) => (window.protocol ?? protocol) === protocol && from <= window.to && to >= window.from)

async function look(watch: FileWatch, { ports, gateway }: Scene): Promise<void> {
  const { workers } = await statsOf(ports.admin)
  watch.look([gateway.pid, ...workers.map(({ pid }) => pid)])
}

async function trendsOf(watch: FileWatch, { ports, directory, gateway }: Scene): Promise<Trend[]> {
  const samples = readSamples(join(directory, 'samples'))
  const { workers } = await statsOf(ports.admin)
  const survivors = workers.filter(({ worker }) => worker !== 1)
  const series = [
    ...seriesOf('primary', gateway.pid, samples, watch),
    ...survivors.flatMap(({ worker, pid }) => seriesOf(`worker ${worker}`, pid, samples, watch)),
  ]
  return series.map(trendOf)
}

async function lostOf(real: Servers, acknowledged: ReadonlyMap<ProtocolName, string[]>): Promise<string[]> {
  const lost: string[] = []
  for (const [protocol, ids] of acknowledged) {
    const stored = await real.stored(protocol)
    lost.push(...ids.filter((id) => !stored.has(id)))
  }
  return lost
}

const complaintsOf = (output: string): string[] =>
  output.split('\n').filter((line) => /"level":[56]0/.test(line) && !line.includes('a worker died'))

async function somePorts(): Promise<Ports> {
  const entries = await Promise.all(protocolNames.map(async (name) => [name, await findFreePort()] as const))
  const listeners = Object.fromEntries(entries) as Record<ProtocolName, number>
  return { listeners, admin: await findFreePort(), desk: await findFreePort() }
}

function files({ listeners, admin, desk }: Ports, { backends }: Servers): Record<string, string> {
  const config = {
    listeners: Object.entries(listeners).map(([protocol, port]) => ({
      name: protocol,
      address: `127.0.0.1:${port}`,
      protocol,
      ...(protocol === 'tcp' ? { options: { key: 'straight' } } : {}),
    })),
    resolver: './resolver.mjs',
    idle: { afterMs: 3_000 },
    guard: { allow: ['127.0.0.0/8'] },
    admin: { address: admin },
    workers: 2,
    log: { level: process.env['SOAK_LOG'] ?? 'info', pretty: false },
  }
  const ports = Object.fromEntries(Object.entries(backends).map(([name, { port }]) => [name, port]))
  const resolver = { ports, deskPort: desk }
  return {
    samples: '',
    'resolver.mjs': `import { soakResolver } from ${JSON.stringify(module('resolver.ts'))}
// A reload reads this module again: what runs is known to one resolver, as it would be to a control plane.
export default globalThis.soak ??= soakResolver(${JSON.stringify(resolver)})
`,
    'gateway.config.mjs': `import { join } from 'node:path'
import { diagnostics } from ${JSON.stringify(module('diagnostics.ts'))}
const layers = [diagnostics(join(import.meta.dirname, 'samples'), ${sampleMs})]
export default { ...${JSON.stringify(config)}, layers }
`,
  }
}

/** A report in Markdown. */
export function report(result: SoakResult): string {
  const { minutes, seed, served, explained, unexplained, lost, faults, wakes, sleeps, trends, complaints } = result
  const counts = (of: Readonly<Record<string, number>>): string =>
    Object.entries(of)
      .map(([name, count]) => `${name} ${count}`)
      .join(', ') || 'none'
  const rows = trends.map(
    ({ process, name, early, late, flat }) =>
      `| ${process} | ${name} | ${early.toFixed(1)} | ${late.toFixed(1)} | ${flat ? 'flat' : 'GROWS'} |`,
  )
  return `# Soak: ${minutes} min, seed ${seed}: ${passed(result) ? 'passed' : 'FAILED'}

- Served: ${counts(served)}.
- Faults: ${counts(faults)}; starts of backends ${wakes}, stops for idleness ${sleeps}.
- Explained errors: ${counts(explained)}.
- Unexplained errors: ${unexplained.length}. Lost though acknowledged: ${lost.length}. Complaints in the log: ${complaints.length}.

| process | what | early | late | |
|---|---|---|---|---|
${rows.join('\n')}
${unexplained.map((deed) => `\nUNEXPLAINED ${JSON.stringify(deed)}`).join('')}${lost.map((id) => `\nLOST ${id}`).join('')}${complaints.map((line) => `\nLOG ${line}`).join('')}
`
}

export const passed = ({ unexplained, lost, complaints, trends }: SoakResult): boolean =>
  unexplained.length + lost.length + complaints.length === 0 && trends.every(({ flat }) => flat)

export const writeReport = (file: string, result: SoakResult): void => writeFileSync(file, report(result))
