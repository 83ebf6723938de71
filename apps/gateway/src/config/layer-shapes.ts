import type { CacheOptions, ColdStartOptions, LimitsOptions, RetryOptions } from '@proxy/kernel/layers'
import { z } from 'zod'
import { callback, count, type LayerShapes, milliseconds, type Shape } from './schema.ts'

const cache: Shape<CacheOptions> = {
  ttlMs: milliseconds,
  negativeTtlMs: milliseconds,
  maxEntries: count,
  slot: callback,
}

const coldStart: Shape<ColdStartOptions> = { timeoutMs: milliseconds, maxWaiters: count }

const limits: Shape<LimitsOptions> = {
  maxConnectionsPerKey: count,
  maxRoutesPerSecondPerKey: z.number().positive().optional(),
}

const retry: Shape<RetryOptions> = { attempts: count }

export const layerShapes: LayerShapes = { cache, coldStart, limits, retry }
