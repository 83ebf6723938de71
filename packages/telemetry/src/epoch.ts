/** Wall clock at the zero of the monotonic one. */
let anchor = Date.now() - performance.now()

/** Milliseconds since 1970, in fractions, that go on steadily; a clock that was set is followed. */
export function epochMs(): number {
  const steady = performance.now()
  const wall = Date.now()
  if (Math.abs(wall - steady - anchor) > 5) anchor = wall - steady
  return anchor + steady
}

/** As OpenTelemetry has it: seconds and nanoseconds. */
export function hrTime(ms: number): [number, number] {
  const seconds = Math.trunc(ms / 1_000)
  return [seconds, Math.round((ms - seconds * 1_000) * 1e6)]
}
