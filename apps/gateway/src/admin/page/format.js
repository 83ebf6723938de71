const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 })
const tenth = new Intl.NumberFormat('en', { maximumFractionDigits: 1, minimumFractionDigits: 1 })
const clock = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' })

/** @param {number} value */
export const count = (value) => whole.format(value)

/** @param {number} perSecond */
export const rate = (perSecond) => (perSecond === 0 || perSecond >= 100 ? whole : tenth).format(perSecond)

/** @param {number} value */
export function bytes(value) {
  const units = ['B', 'KB', 'MB', 'GB', 'TB']
  let unit = 0
  while (value >= 1_000 && unit < units.length - 1) {
    value /= 1_000
    unit++
  }
  return `${unit === 0 || value >= 100 ? whole.format(value) : tenth.format(value)} ${units[unit]}`
}

/**
 * Short, with as many digits as say something.
 * @param {number | null} value in milliseconds
 */
export function duration(value) {
  if (value === null) return '–'
  if (value < 1) return `${value.toFixed(2)} ms`
  if (value < 10) return `${value.toFixed(1)} ms`
  if (value < 1_000) return `${Math.round(value)} ms`
  if (value < 60_000) return `${(value / 1_000).toFixed(1)} s`
  return span(value)
}

/**
 * A power of ten.
 * @param {number} value in milliseconds
 */
export const tick = (value) => (value < 1_000 ? `${Number(value.toFixed(2))} ms` : `${value / 1_000} s`)

/**
 * A long time: its two largest units.
 * @param {number} value in milliseconds
 */
export function span(value) {
  const seconds = Math.floor(value / 1_000)
  const [days, hours] = [Math.floor(seconds / 86_400), Math.floor(seconds / 3_600) % 24]
  const [minutes, rest] = [Math.floor(seconds / 60) % 60, seconds % 60]
  if (days > 0) return `${days} d ${hours} h`
  if (hours > 0) return `${hours} h ${minutes} min`
  return minutes > 0 ? `${minutes} min ${rest} s` : `${rest} s`
}

/** @param {number} at milliseconds since the epoch */
export const time = (at) => clock.format(at)

/** @param {number} share */
export const percent = (share) => `${Math.round(share * 100)}%`
