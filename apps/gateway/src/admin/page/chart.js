import { el, svg } from './dom.js'
import { duration, tick } from './format.js'

const width = 600
const height = 160
const points = 120

/** @typedef {{ readonly name: string, readonly values: readonly (number | null)[] }} Line */

/** Durations over the last two minutes, on a logarithmic scale: what is fast and what is slow are seen alike. */
export class LatencyChart {
  #plot = svg('svg', { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: 'none', role: 'img' })
  #labels = el('div', { class: 'labels', 'aria-hidden': 'true' })

  /** @param {HTMLElement} parent */
  constructor(parent) {
    const times = el('div', { class: 'times', 'aria-hidden': 'true' })
    times.append(el('span', { text: '2 min ago' }), el('span', { text: 'now' }))
    parent.append(this.#plot, this.#labels, times)
  }

  /**
   * @param {string} title
   * @param {readonly Line[]} lines
   */
  draw(title, lines) {
    const known = lines.flatMap(({ values }) => values.filter((value) => value !== null && value > 0))
    const [low, high] = decades(/** @type {number[]} */ (known))
    /** @param {number} value */
    const y = (value) => height - ((Math.log10(Math.max(value, 10 ** low)) - low) / (high - low)) * height
    this.#plot.setAttribute(
      'aria-label',
      `${title}: ${lines.map(({ name, values }) => sentence(name, values)).join(', ')}`,
    )
    this.#plot.replaceChildren(
      ...ticks(low, high).map((value) => rule(y(value))),
      ...lines.map(({ name, values }) => svg('path', { class: `line ${name}`, d: path(values, y) })),
    )
    this.#labels.replaceChildren(...ticks(low, high).map((value) => label(tick(value), y(value))))
  }
}

/**
 * The powers of ten between which all values lie.
 * @param {readonly number[]} values
 * @returns {[number, number]}
 */
function decades(values) {
  if (values.length === 0) return [-1, 2]
  const low = Math.floor(Math.log10(Math.max(0.1, Math.min(...values))))
  const high = Math.ceil(Math.log10(Math.max(0.1, ...values)) + 0.01)
  return [Math.min(low, high - 2), high]
}

/**
 * @param {number} low
 * @param {number} high
 */
const ticks = (low, high) => Array.from({ length: high - low + 1 }, (_, index) => 10 ** (low + index))

/** @param {number} y */
const rule = (y) => svg('path', { class: 'rule', d: `M0 ${y.toFixed(1)}H${width}` })

/**
 * @param {string} text
 * @param {number} y
 */
function label(text, y) {
  const span = el('span', { text })
  span.style.top = `${((y / height) * 100).toFixed(1)}%`
  return span
}

/**
 * A gap where nothing was observed.
 * @param {readonly (number | null)[]} values
 * @param {(value: number) => number} y
 */
function path(values, y) {
  const shown = values.slice(-points)
  const step = width / (points - 1)
  const from = width - (shown.length - 1) * step
  let pen = 'M'
  let text = ''
  for (const [index, value] of shown.entries()) {
    if (value === null) pen = 'M'
    else {
      text += `${pen}${(from + index * step).toFixed(1)} ${y(value).toFixed(1)}`
      pen = 'L'
    }
  }
  return text
}

/**
 * @param {string} name
 * @param {readonly (number | null)[]} values
 */
const sentence = (name, values) => `${name} ${duration(values.at(-1) ?? null)}`
