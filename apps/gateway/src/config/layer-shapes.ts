import type { CacheOptions, ColdStartOptions, IdleOptions, LimitsOptions, RetryOptions } from '@proxy/kernel/layers'
import { z } from 'zod'
import { callback, count, type LayerShapes, milliseconds, type Shape } from './schema.ts'

const cache: Shape<CacheOptions> = {
  ttlMs: milliseconds,
  negativeTtlMs: milliseconds,
  maxEntries: count,
  slot: callback,
}

const coldStart: Shape<ColdStartOptions> = {
  deadlineMs: milliseconds,
  patienceMs: z.record(z.string(), z.number().min(0)).optional(),
  maxWaiters: count,
  maxWaitersPerKey: count,
  maxWaitingBytes: count,
  maxDials: count,
  failureTtlMs: milliseconds,
  wokenTtlMs: milliseconds,
}

const idle: Shape<IdleOptions> = { afterMs: z.number().min(1).optional() }

const limits: Shape<LimitsOptions> = {
  maxConnectionsPerKey: count,
  maxRoutesPerSecondPerKey: z.number().positive().optional(),
}

const retry: Shape<RetryOptions> = { attempts: count }

export const layerShapes: LayerShapes = { cache, coldStart, idle, limits, retry }
