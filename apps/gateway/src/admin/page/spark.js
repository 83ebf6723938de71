import { svg } from './dom.js'

const width = 100
const height = 24
const points = 60

/** A small plot beside a number; it says nothing that the number does not say, so readers skip it. */
export function spark() {
  const plot = svg('svg', {
    class: 'spark',
    viewBox: `0 0 ${width} ${height}`,
    preserveAspectRatio: 'none',
    'aria-hidden': 'true',
  })
  plot.append(svg('path', { class: 'area' }), svg('path', { class: 'line' }))
  return plot
}

/**
 * @param {Element} plot
 * @param {readonly number[]} values
 */
export function drawSpark(plot, values) {
  const shown = values.slice(-points)
  const top = Math.max(1, ...shown)
  const step = width / (points - 1)
  const from = width - (shown.length - 1) * step
  const line = shown
    .map(
      (value, index) => `${(from + index * step).toFixed(1)} ${(height - 2 - (value / top) * (height - 4)).toFixed(1)}`,
    )
    .join('L')
  const [area, stroke] = plot.children
  stroke?.setAttribute('d', shown.length > 1 ? `M${line}` : '')
  area?.setAttribute('d', shown.length > 1 ? `M${line}L${width} ${height}L${from.toFixed(1)} ${height}Z` : '')
}
