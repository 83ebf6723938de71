/**
 * Writes docs/reference/options.md out of the docstrings of the option interfaces, so that the two cannot differ:
 * `npm run docs:update`. A test compares them.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'

const root = resolve(import.meta.dirname, '..')

/** Factory, interface, file; in the order of the page. */
const pages: readonly (readonly [factory: string, type: string, file: string])[] = [
  ['new Gateway(options)', 'GatewayOptions', 'packages/kernel/src/contracts.ts'],
  ['listeners[]', 'ListenerOptions', 'packages/kernel/src/contracts.ts'],
  ['listeners[].limits', 'ListenerLimits', 'packages/kernel/src/contracts.ts'],
  ['guard', 'GuardOptions', 'packages/kernel/src/contracts.ts'],
  ['gateway.drain(options)', 'DrainOptions', 'packages/kernel/src/contracts.ts'],
  ['session.relay(upstream, options)', 'RelayOptions', 'packages/kernel/src/contracts.ts'],
  ["a resolver's answer", 'ResolutionRecord', 'packages/kernel/src/contracts.ts'],
  ['TLS towards a backend', 'BackendTls', 'packages/kernel/src/contracts.ts'],
  ['cache(options)', 'CacheOptions', 'packages/kernel/src/layers/cache.ts'],
  ['coldStart(options)', 'ColdStartOptions', 'packages/kernel/src/layers/cold-start.ts'],
  ['idle(options)', 'IdleOptions', 'packages/kernel/src/layers/idle.ts'],
  ['limits(options)', 'LimitsOptions', 'packages/kernel/src/layers/limits.ts'],
  ['retry(options)', 'RetryOptions', 'packages/kernel/src/layers/retry.ts'],
  ['balance(options)', 'BalanceOptions', 'packages/kernel/src/layers/balance.ts'],
  ['breaker(options)', 'BreakerOptions', 'packages/kernel/src/layers/breaker.ts'],
  ['health(options)', 'HealthOptions', 'packages/kernel/src/layers/health.ts'],
  ['http(options)', 'HttpOptions', 'packages/http/src/options.ts'],
  ['postgres(options)', 'PostgresOptions', 'packages/postgres/src/options.ts'],
  ['mysql(options)', 'MysqlOptions', 'packages/mysql/src/options.ts'],
  ['mongodb(options)', 'MongodbOptions', 'packages/mongodb/src/options.ts'],
  ['smtp(options)', 'SmtpOptions', 'packages/smtp/src/options.ts'],
  ['tcp(options)', 'TcpOptions', 'packages/tcp/src/options.ts'],
  ['redisResolver(options)', 'RedisResolverOptions', 'packages/resolver-redis/src/resolver.ts'],
  ['redisResolver(options), redisLocked(resolver, options)', 'WakeOptions', 'packages/resolver-redis/src/shared.ts'],
  ['everything of @proxy/resolver-redis', 'RedisOptions', 'packages/resolver-redis/src/settings.ts'],
  ['wakeWorker(options)', 'WakeWorkerOptions', 'packages/resolver-redis/src/worker.ts'],
  ['new RedisPeers(options)', 'RedisPeersOptions', 'packages/resolver-redis/src/peers.ts'],
  ['dockerResolver(options)', 'DockerResolverOptions', 'packages/resolver-docker/src/options.ts'],
  ['kubernetesResolver(options)', 'KubernetesResolverOptions', 'packages/resolver-kubernetes/src/options.ts'],
  ['httpResolver(options)', 'HttpResolverOptions', 'packages/resolver-http/src/options.ts'],
  ['processResolver(options)', 'ProcessResolverOptions', 'packages/resolver-process/src/options.ts'],
  ['processResolver({ backends: { name: {} } })', 'ProcessSpec', 'packages/resolver-process/src/options.ts'],
  ['telemetry(options)', 'TelemetryOptions', 'packages/telemetry/src/telemetry.ts'],
  ['telemetry({ traces })', 'TraceOptions', 'packages/telemetry/src/telemetry.ts'],
  ['telemetry({ metrics })', 'MetricOptions', 'packages/telemetry/src/telemetry.ts'],
  ['accessLog(options)', 'AccessLogOptions', 'packages/telemetry/src/access-log.ts'],
  ['epollTransport(options)', 'EpollTransportOptions', 'packages/transport-epoll/src/epoll-transport.ts'],
  ['tls(options)', 'TlsOptions', 'packages/tls/src/options.ts'],
  ['tls({ certificates: [] })', 'CertificateOptions', 'packages/tls/src/options.ts'],
]

export const optionsPage = 'docs/reference/options.md'

export interface Option {
  readonly name: string
  readonly type: string
  readonly required: boolean
  readonly text: string
}

/** The members of an interface with their docstrings. Every member must have one. */
export function optionsOf(source: string, type: string): Option[] {
  const body = new RegExp(`export interface ${type}(?: extends \\w+)? \\{\\n([^]*?)\\n\\}`).exec(source)?.[1]
  if (body === undefined) throw new Error(`there is no interface ${type}`)
  return [
    ...body.matchAll(/(?: {2}\/\*\*([^]*?)\*\/\n)? {2}readonly (\w+)(\??):\s*([^]*?)(?=\n {2}(?:\/\*\*|readonly)|$)/g),
  ].map(([, text = '', name = '', optional, member = '']) => ({
    name,
    type: flat(member).replace(/ \| undefined$/, ''),
    required: optional !== '?',
    text: flat(text.replaceAll(/^\s*\* ?/gm, '')),
  }))
}

const flat = (text: string) => text.replaceAll(/\s+/g, ' ').trim()
const cell = (text: string) => text.replaceAll('|', '\\|')

/** Without the leading parenthesis that formatters put around a function type. */
function row({ name, type, required, text }: Option): string {
  return `| \`${name}\`${required ? ' (required)' : ''} | \`${cell(type.replace(/^\((.*)\)$/, '$1'))}\` | ${cell(text)} |`
}

export function renderOptions(): string {
  const sections = pages.map(([factory, type, file]) => {
    const options = optionsOf(readFileSync(resolve(root, file), 'utf8'), type)
    return [
      `## \`${factory}\``,
      '',
      `\`${type}\``,
      '',
      '| option | type | meaning |',
      '|---|---|---|',
      ...options.map(row),
    ].join('\n')
  })
  return [
    '# Options',
    '',
    'Every option of every package. Durations are in milliseconds. The page is made from the docstrings: `npm run docs:update`.',
    '',
    `${sections.join('\n\n')}\n`,
  ].join('\n')
}

if (process.argv[1] === import.meta.filename) writeFileSync(resolve(root, optionsPage), renderOptions())
