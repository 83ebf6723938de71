import type { CacheOptions, ColdStartOptions, LimitsOptions, RetryOptions } from '@proxy/kernel/layers'
import { z } from 'zod'
import { count, milliseconds, type Shape } from './schema.ts'

const limits: Shape<LimitsOptions> = {
  maxConnectionsPerKey: count,
  maxRoutesPerSecondPerKey: z.number().positive().optional(),
}

const retry: Shape<RetryOptions> = { attempts: count }
