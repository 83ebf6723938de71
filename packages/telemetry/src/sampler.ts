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

export function traceSampler({ ratio, parentBased }: SamplingOptions): TraceSampler {
  return (parent) => {
    if (parent === undefined) return Math.random() < ratio
    return parentBased ? parent.sampled : randomnessOf(parent.traceId) < ratio
  }
}

/** The 56 random bits of a trace id (W3C Trace Context Level 2), from 0 to 1: every service decides alike. */
const randomnessOf = (traceId: string): number => Number.parseInt(traceId.slice(-14), 16) / 2 ** 56
