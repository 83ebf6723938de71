import { invalid } from '../address.ts'
import type { Dial, Dialled, DialRequest, Endpoint, Layer } from '../contracts.ts'
import { GatewayError } from '../errors.ts'

export interface RetryOptions {
  /** Dials at most, the first included. Default: one for each endpoint. More go round again. */
  readonly attempts?: number | undefined
}

/**
 * Tries the backend's other endpoints, in their order or in that of `balance`, when one cannot be dialled. Safe for any protocol: no byte has been
 * sent yet. Only retryable errors are tried again; the last one is thrown. Throws `PROXY_CONFIG_INVALID` for fewer than
 * one attempt.
 */
export function retry(options: RetryOptions = {}): Layer {
  const { attempts } = options
  if (attempts !== undefined && !(Number.isInteger(attempts) && attempts > 0)) {
    throw invalid(`attempts: ${attempts}`, 'is no whole number from 1')
  }
  return {
    name: 'retry',
    dial: (next) => (request, signal) => {
      const most = attempts ?? request.backend.endpoints.length
      return most === 1 ? next(request, signal) : dialAny(next, request, signal, most)
    },
  }
}

async function dialAny(next: Dial, request: DialRequest, signal: AbortSignal, attempts: number): Promise<Dialled> {
  const endpoints = request.order ?? request.backend.endpoints
  const first = Math.max(0, endpoints.indexOf(request.endpoint))
  for (let attempt = 1; ; attempt++) {
    const endpoint = endpoints[(first + attempt - 1) % endpoints.length] as Endpoint
    try {
      return await next({ ...request, endpoint, address: undefined }, signal)
    } catch (error) {
      const again = attempt < attempts && !signal.aborted && GatewayError.is(error) && error.retryable
      if (!again) throw error
    }
  }
}
