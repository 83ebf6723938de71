import type { Row } from './row.ts'

/** `1234` -> `1.23k`, three significant digits. */
export const short = (value: number): string => {
  const magnitude = Math.abs(value)
  const [divisor, suffix] =
    magnitude >= 1e9 ? [1e9, 'G'] : magnitude >= 1e6 ? [1e6, 'M'] : magnitude >= 1e3 ? [1e3, 'k'] : [1, '']
  const scaled = value / divisor
  const digits = Math.abs(scaled) >= 100 ? 0 : Math.abs(scaled) >= 10 ? 1 : 2
  return `${scaled.toFixed(digits)}${suffix}`
}

/** Microseconds as a length of time. */
export const duration = (us: number): string => {
  if (us >= 1e6) return `${short(us / 1e6)} s`
  return us >= 1000 ? `${short(us / 1000)} ms` : `${us.toFixed(0)} us`
}

/** With what it is beyond a direct connection's. */
const latencyText = (us: number | null, added: number | null): string => {
  if (us === null) return '-'
  return added === null ? duration(us) : `${duration(us)} (${added < 0 ? '-' : '+'}${duration(Math.abs(added))})`
}

const ratioText = (row: Row): string => {
  if (row.ratio === null || row.ratioMin === null || row.ratioMax === null) return '-'
  const text = row.ratio.toFixed(2)
  return row.rounds > 1 ? `${text} (${row.ratioMin.toFixed(2)}-${row.ratioMax.toFixed(2)})` : text
}

const perCpuText = (row: Row): string => {
  if (row.perProxyCpuSecond === null) return '-'
  const range = row.rounds > 1 ? ` (${short(row.min ?? 0)}-${short(row.max ?? 0)})` : ''
  return `${short(row.perProxyCpuSecond)}${range}`
}

const workText = (row: Row): string => {
  if (row.value === null) return '-'
  return row.unit === 'us' ? duration(row.value) : `${short(row.value)} ${row.unit}`
}

const cells = (row: Row): string[] =>
  row.failed === null
    ? [
        row.subject,
        workText(row),
        perCpuText(row),
        ratioText(row),
        latencyText(row.p50Us, row.addedP50Us),
        latencyText(row.p99Us, row.addedP99Us),
      ]
    : [row.subject, 'FAILED', row.failed]

const headings = (reference: string): string[] => [
  'subject',
  'work done',
  'per proxy-CPU-second',
  `ratio to ${reference}`,
  'p50',
  'p99',
]

const byWorkload = (rows: readonly Row[]): Map<string, Row[]> => Map.groupBy(rows, (row) => row.workload)

const aligned = (lines: readonly string[][]): string[] => {
  const complete = lines.filter((line) => line[1] !== 'FAILED')
  const widths = (complete[0] ?? []).map((_, column) => Math.max(...complete.map((line) => line[column]?.length ?? 0)))
  return lines.map((line) =>
    line
      .map((cell, column) =>
        column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(line[1] === 'FAILED' ? 0 : (widths[column] ?? 0)),
      )
      .join('  ')
      .trimEnd(),
  )
}

/** The rows as aligned text, a block per workload. */
export const terminalTable = (rows: readonly Row[], reference: string): string =>
  [...byWorkload(rows)]
    .map(([workload, group]) => {
      const lines = aligned([headings(reference), ...group.map(cells)])
      return [workload, ...lines.map((line) => `  ${line}`)].join('\n')
    })
    .join('\n\n')

const escaped = (cell: string): string => cell.replaceAll('|', '\\|')

/** The rows as Markdown tables, one per workload. */
export const markdownTable = (rows: readonly Row[], reference: string): string =>
  [...byWorkload(rows)]
    .map(([workload, group]) => {
      const line = (columns: readonly string[]): string => `| ${columns.map(escaped).join(' | ')} |`
      const filled = (columns: readonly string[]): string[] => Array.from({ length: 6 }, (_, i) => columns[i] ?? '')
      const divider = '|---|---:|---:|---:|---:|---:|'
      return [
        `**${workload}**`,
        '',
        line(headings(reference)),
        divider,
        ...group.map((row) => line(filled(cells(row)))),
      ]
    })
    .map((lines) => lines.join('\n'))
    .join('\n\n')
