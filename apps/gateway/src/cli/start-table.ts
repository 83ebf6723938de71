import { styleText } from 'node:util'
import { type Address, formatAddress } from '@proxy/kernel'
import type { EmbeddedPlan, ServerName } from '../embedded/plan.ts'
import { serverNames, servers } from '../embedded/servers.ts'
import { tenants } from '../embedded/tenants.ts'
import type { BoundListener } from '../fleet/unit.ts'
import type { Running } from '../supervisor.ts'
import { pasteLines } from './paste-lines.ts'

export interface StartFacts extends Running {
  readonly version: string
  readonly workers: number
  readonly source: string
}

type Style = Parameters<typeof styleText>[0]
type Paint = (style: Style, text: string) => string

/** What listens, whom it serves and what to try, in as few lines as that takes. */
export function startTable(facts: StartFacts, colour: boolean): string {
  const paint: Paint = (style, text) => (colour ? styleText(style, text, { validateStream: false }) : text)
  const sections = [
    [title(facts, paint)],
    columns(
      ['LISTENER', 'ADDRESS', 'PROTOCOL', 'TLS'],
      [...facts.listeners.map(listenerRow), ...adminRow(facts)],
      paint,
    ),
    ...(facts.embedded === undefined ? [] : embeddedSections(facts.embedded, facts, paint)),
  ]
  return `\n${sections.map((lines) => lines.map((line) => `  ${line}`.trimEnd()).join('\n')).join('\n\n')}\n\n`
}

function title({ version, workers, transport, source }: StartFacts, paint: Paint): string {
  const processes = workers === 1 ? '1 process' : `${workers} workers`
  return `${paint(['bold', 'cyan'], 'gateway')} ${version}  ${paint('dim', `${processes}, ${transport}, ${source}`)}`
}

const listenerRow = ({ name, address, protocol, tls }: BoundListener): string[] => [
  name,
  formatAddress(address),
  protocol,
  tls,
]

const adminRow = ({ admin }: StartFacts): string[][] =>
  admin === undefined ? [] : [['admin', formatAddress(admin), 'http', 'off']]

function embeddedSections(
  plan: EmbeddedPlan,
  { listeners, admin }: Pick<StartFacts, 'listeners' | 'admin'>,
  paint: Paint,
): string[][] {
  const rows = tenants.map((name) => [name, `${name}.localhost`, name])
  const at = (name: string): Address | undefined => listeners.find((listener) => listener.name === name)?.address
  return [
    columns(['TENANT', 'HTTP HOST, MAIL DOMAIN', 'DATABASE'], rows, paint),
    columns(
      ['SERVER', 'STATE'],
      [['HTTP', asleep], ...serverNames.map((name) => serverRow(plan, name)), ['SMTP', asleep]],
      paint,
    ),
    [paint('dim', 'TRY'), ...pasteLines(plan, at, admin)],
  ]
}

const asleep = 'asleep; the first connection wakes it'

function serverRow({ servers: ports }: EmbeddedPlan, name: ServerName): string[] {
  const { title, install } = servers[name]
  return [title, ports[name] === undefined ? `not installed: ${install}` : asleep]
}

function columns(head: readonly string[], rows: readonly (readonly string[])[], paint: Paint): string[] {
  const widths = head.map((name, index) => Math.max(name.length, ...rows.map((row) => row[index]?.length ?? 0)))
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, index) => cell.padEnd(widths[index] ?? 0))
      .join('   ')
      .trimEnd()
  return [paint('dim', line(head)), ...rows.map(line)]
}
