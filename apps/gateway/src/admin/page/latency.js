import { LatencyChart } from './chart.js'
import { byId, el } from './dom.js'
import { count, duration } from './format.js'
import { quantile, Window } from './quantiles.js'
import { Table } from './table.js'

/** @typedef {import('../api/operator.ts').OperatorSnapshot} Snapshot */

/** In the order of the way that a connection takes. @type {Readonly<Record<string, string>>} */
const titles = {
  client: 'Client',
  resolve: 'Resolve',
  wake: 'Wake',
  dial: 'Dial',
  first_byte: 'First byte',
  route: 'Route',
  setup: 'Setup',
  request: 'Request',
}

const quantiles = /** @type {const} */ ([
  ['p50', 0.5],
  ['p95', 0.95],
  ['p99', 0.99],
])

const kept = 120

/** @typedef {{ part: string, count: number, p50: number | null, p95: number | null, p99: number | null }} Row */

export class LatencyView {
  #window = new Window()
  #chart = new LatencyChart(byId('latency-chart'))
  /** @type {Map<string, Row[]>} */
  #past = new Map()
  #part = ''
  #picked = false
  #table

  constructor() {
    this.#table = new Table(byId('latency'), {
      caption: 'Durations of the last minute, by part of the way',
      empty: 'Nothing was measured yet.',
      keyOf: (/** @type {Row} */ { part }) => part,
      columns: [
        { title: 'Part', text: ({ part }) => titles[part] ?? part },
        { title: 'Count', class: 'num opt', text: (row) => count(row.count) },
        { title: 'p50', class: 'num p50', text: ({ p50 }) => duration(p50) },
        { title: 'p95', class: 'num p95', text: ({ p95 }) => duration(p95) },
        { title: 'p99', class: 'num p99', text: ({ p99 }) => duration(p99) },
      ],
    })
  }

  /** @param {Snapshot} snapshot */
  show({ at, latency }) {
    this.#window.push(at, latency)
    const parts = Object.keys(titles).filter((part) => latency.all[part] !== undefined)
    const rows = parts.map((part) => rowOf(part, latency.boundsMs, this.#window.counts(part)))
    for (const row of rows) this.#past.set(row.part, [...(this.#past.get(row.part) ?? []).slice(1 - kept), row])
    if (!this.#picked) this.#part = busiest(rows)
    this.#table.show(rows)
    this.#pick(parts)
    this.#draw()
  }

  #draw() {
    const past = this.#past.get(this.#part) ?? []
    const lines = quantiles.map(([name]) => ({ name, values: past.map((row) => row[name]) }))
    this.#chart.draw(titles[this.#part] ?? this.#part, lines)
  }

  /** @param {readonly string[]} parts */
  #pick(parts) {
    const pick = byId('latency-pick')
    if (pick.childElementCount !== parts.length) pick.replaceChildren(...parts.map((part) => this.#choice(part)))
    for (const choice of pick.children) {
      choice.setAttribute('aria-pressed', String(/** @type {HTMLElement} */ (choice).dataset['part'] === this.#part))
    }
  }

  /** @param {string} part */
  #choice(part) {
    const choice = el('button', { type: 'button', class: 'small', text: titles[part] ?? part, 'data-part': part })
    choice.addEventListener('click', () => {
      this.#part = part
      this.#picked = true
      this.#pick(
        [...byId('latency-pick').children].map((other) => /** @type {HTMLElement} */ (other).dataset['part'] ?? ''),
      )
      this.#draw()
    })
    return choice
  }
}

// What clients notice of the gateway as a whole.
const wholes = ['request', 'setup']

/**
 * What is shown until the reader picks something.
 * @param {readonly Row[]} rows
 */
function busiest(rows) {
  const among = rows.filter(({ part }) => wholes.includes(part)).toSorted((a, b) => b.count - a.count)
  return (among[0] ?? rows[0])?.part ?? ''
}

/**
 * @param {string} part
 * @param {readonly number[]} boundsMs
 * @param {readonly number[]} counts
 * @returns {Row}
 */
function rowOf(part, boundsMs, counts) {
  const [p50 = null, p95 = null, p99 = null] = quantiles.map(([, q]) => quantile(boundsMs, counts, q))
  return { part, count: counts.reduce((sum, value) => sum + value, 0), p50, p95, p99 }
}
