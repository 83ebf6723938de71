import type {
  BalanceOptions,
  BreakerOptions,
  CacheOptions,
  ColdStartOptions,
  HealthOptions,
  IdleOptions,
  LimitsOptions,
  RetryOptions,
} from '@proxy/kernel/layers'
import { z } from 'zod'
import { callback, count, type LayerShapes, milliseconds, type Shape } from './schema.ts'

const atLeast1: z.ZodType = z.number().min(1).optional()

const balance: Shape<BalanceOptions> = {
  policy: z.enum(['least-connections', 'p2c']).optional(),
  slowStartMs: milliseconds,
}

const breaker: Shape<BreakerOptions> = { failures: count, openMs: atLeast1, maxOpenMs: atLeast1 }

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

const health: Shape<HealthOptions> = {
  intervalMs: atLeast1,
  timeoutMs: atLeast1,
  rise: count,
  fall: count,
  singleEndpoints: z.boolean().optional(),
  maxEndpoints: count,
  ejectAfter: count,
  ejectMs: atLeast1,
  maxEjectedShare: z.number().min(0).max(1).optional(),
}

const idle: Shape<IdleOptions> = { afterMs: atLeast1 }

const limits: Shape<LimitsOptions> = {
  maxConnectionsPerKey: count,
  maxRoutesPerSecondPerKey: z.number().positive().optional(),
}

const retry: Shape<RetryOptions> = { attempts: count }

export const layerShapes: LayerShapes = { balance, breaker, cache, coldStart, health, idle, limits, retry }
