import type { Bench } from './bench.ts'
import type { Program, Report } from './native.ts'
import type { Running } from './subject.ts'
import type { Span } from './suite.ts'

export interface Load {
  readonly mode: string
  readonly connections: number
  readonly [option: string]: string | number
}

/** Share of the span that a proxy must have had its core for, if several clients keep it busy. */
const enoughCpu = 0.5

/** One measured span of load on a proxy. */
export const measureLoad = (bench: Bench, program: Program, load: Load, target: Running, span: Span): Promise<Report> =>
  bench.native.measure(program, {
    ...load,
    port: target.address.port,
    warmup: span.warmup,
    seconds: span.seconds,
    cpu: load.connections > 1 && target.pid !== undefined ? span.seconds * enoughCpu : 0,
    watch: bench.watched(target),
  })
