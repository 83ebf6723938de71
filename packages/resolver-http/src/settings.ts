import { GatewayError } from '@proxy/kernel'
import type { HttpResolverOptions } from './options.ts'

type Texts = 'url' | 'token' | 'wakeUrl' | 'sleepUrl'

export type Settings = Pick<HttpResolverOptions, Texts> & {
  readonly [Name in Exclude<keyof HttpResolverOptions, Texts>]-?: number
}

/** The options with their defaults. Throws `PROXY_CONFIG_INVALID`. */
export function settingsOf(options: HttpResolverOptions): Settings {
  const { url, token, wakeUrl, sleepUrl } = options
  for (const [name, value] of Object.entries({ url, wakeUrl, sleepUrl })) if (value !== undefined) checkUrl(name, value)
  return {
    url,
    token,
    wakeUrl,
    sleepUrl,
    timeoutMs: atLeast('timeoutMs', options.timeoutMs ?? 5_000, 1),
    connections: atLeast('connections', options.connections ?? 16, 1),
    ttlMs: atLeast('ttlMs', options.ttlMs ?? 10_000, 0),
    negativeTtlMs: atLeast('negativeTtlMs', options.negativeTtlMs ?? 1_000, 0),
    maxEntries: atLeast('maxEntries', options.maxEntries ?? 10_000, 1),
  }
}

function checkUrl(name: string, value: string): void {
  const parsed = URL.parse(value.replaceAll(/[{}]/g, ''))
  if (parsed === null || !/^https?:$/.test(parsed.protocol)) throw invalid(`${name} is no URL of http or https`)
  if (/[{}]/.test(value.slice(0, value.indexOf(parsed.host) + parsed.host.length)))
    throw invalid(`${name}: only the path and the query may depend on the request`)
}

function atLeast(name: string, value: number, least: number): number {
  if (value >= least) return value
  throw invalid(`${name}: ${value} is not ${least} or more`)
}

const invalid = (message: string): GatewayError => new GatewayError('PROXY_CONFIG_INVALID', { message })
