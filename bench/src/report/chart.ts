import type { Row } from '../row.ts'

/** Rows of one suite, and whom their ratios refer to. */
export interface Panel {
  readonly reference: string
  readonly rows: readonly Row[]
}

type Charted = Row & { readonly ratio: number; readonly ratioMin: number; readonly ratioMax: number }

const width = 860
const left = 190
const right = 150
const barHeight = 11
const barStep = 16
const gap = 12

/** Readable on light and on dark: text and lines follow the viewer's scheme, the bars do on both. */
const style = `<style>
    text { font: 12px system-ui, sans-serif; fill: #1f2328 }
    .head { font-weight: 600 }
    .small { font-size: 11px; fill: #59636e }
    .axis { stroke: #8c959f }
    .whisker { stroke: #1f2328 }
    .ours { fill: #2f81f7 }
    .other { fill: #9aa4af }
    @media (prefers-color-scheme: dark) {
      text { fill: #e6edf3 }
      .small { fill: #9198a1 }
      .axis { stroke: #6e7681 }
      .whisker { stroke: #e6edf3 }
      .other { fill: #6e7681 }
    }
  </style>`

const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')

/** Work per CPU second only: there more is better, and the reference is at 1. */
const isCharted = (row: Row): row is Charted => row.perProxyCpuSecond !== null && row.ratio !== null

const text = (x: number, y: number, content: string, attributes = ''): string =>
  `<text x="${x}" y="${y}"${attributes}>${escaped(content)}</text>`

const px = (value: number): string => value.toFixed(1)

const bar = (row: Charted, y: number, scale: (ratio: number) => number): string => {
  const middle = y + barHeight / 2
  const kind = row.subject.startsWith('gateway') ? 'ours' : 'other'
  return [
    text(left - 8, y + barHeight - 1, row.subject, ' text-anchor="end"'),
    `<rect class="${kind}" x="${left}" y="${y}" width="${px(scale(row.ratio) - left)}" height="${barHeight}"/>`,
    `<line class="whisker" x1="${px(scale(row.ratioMin))}" x2="${px(scale(row.ratioMax))}" y1="${middle}" y2="${middle}"/>`,
    text(
      width - right + 10,
      y + barHeight - 1,
      `${row.ratio.toFixed(2)} (${row.ratioMin.toFixed(2)}-${row.ratioMax.toFixed(2)})`,
      ' class="small"',
    ),
  ].join('\n  ')
}

interface Drawn {
  readonly lines: readonly string[]
  readonly bottom: number
}

const group = (rows: readonly Charted[], top: number, scale: (ratio: number) => number): Drawn => {
  const first = top + barStep
  const bottom = first + rows.length * barStep
  const reference = px(scale(1))
  return {
    lines: [
      text(left, top + 10, rows[0]!.workload),
      ...rows.map((row, index) => bar(row, first + index * barStep, scale)),
      `<line class="axis" stroke-dasharray="3 3" x1="${reference}" x2="${reference}" y1="${first - 2}" y2="${bottom}"/>`,
    ],
    bottom: bottom + gap,
  }
}

const panel = ({ reference, rows }: Panel, top: number): Drawn => {
  const charted = rows.filter(isCharted)
  if (charted.length === 0) return { lines: [], bottom: top }
  const most = Math.max(1, ...charted.map(({ ratioMax }) => ratioMax))
  const scale = (ratio: number): number => left + (ratio / most) * (width - left - right)
  const heading = `${charted[0]!.suite}: work per proxy-CPU-second, ${reference} = 1`
  const lines = [text(16, top + 14, heading, ' class="head"')]
  let bottom = top + 14 + gap
  for (const [, workloadRows] of Map.groupBy(charted, ({ id }) => id)) {
    const drawn = group(workloadRows, bottom, scale)
    lines.push(...drawn.lines)
    bottom = drawn.bottom
  }
  return { lines, bottom: bottom + gap }
}

/** Bars with the ratio to the reference, the range of the rounds as a line across the end, as an SVG document. */
export const chart = (panels: readonly Panel[]): string => {
  const lines: string[] = []
  let bottom = gap
  for (const one of panels) {
    const drawn = panel(one, bottom)
    lines.push(...drawn.lines)
    bottom = drawn.bottom
  }
  const root = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${bottom}" viewBox="0 0 ${width} ${bottom}" role="img" aria-label="Ratios of work per proxy-CPU-second">`
  return `${[root, style, ...lines].join('\n  ')}\n</svg>\n`
}
