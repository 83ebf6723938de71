import type { TraceParent } from './trace-context.ts'

/** Is a trace recorded? Asked once for each, before anything is made for it. */
export type TraceSampler = (parent: TraceParent | undefined) => boolean

export interface SamplingOptions {
  /** Share of the traces that begin here, from 0 to 1. Default 0.01. */
  readonly ratio: number
  /** A client that brings a trace decides for its own. */
  readonly parentBased: boolean
}

export const defaultRatio = 0.01

/** A trace costs as much as several requests: of a busy gateway even a small share would be felt. */
export const mostPerSecond = 20

/** Of the traces that begin here no more than {@link mostPerSecond} are recorded, unless all are wanted. */
export function traceSampler(
  { ratio, parentBased }: SamplingOptions,
  now: () => number = () => performance.now(),
): TraceSampler {
  const begins = ratio >= 1 ? () => true : rationed(ratio, now)
  return (parent) => {
    if (parent === undefined) return begins()
    return parentBased ? parent.sampled : randomnessOf(parent.traceId) < ratio
  }
}

function rationed(ratio: number, now: () => number): () => boolean {
  let left = mostPerSecond
  let until = 0
  return () => {
    if (Math.random() >= ratio) return false
    const at = now()
    if (at >= until) {
      until = at + 1_000
      left = mostPerSecond
    }
    return left-- > 0
  }
}

/** The 56 random bits of a trace id (W3C Trace Context Level 2), from 0 to 1: every service decides alike. */
const randomnessOf = (traceId: string): number => Number.parseInt(traceId.slice(-14), 16) / 2 ** 56
