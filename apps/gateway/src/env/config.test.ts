import { availableParallelism } from 'node:os'
import { describe, expect, it } from 'vitest'
import { type ConfigError, describeProblem } from '../config/problems.ts'
import type { GatewayConfig } from '../config/types.ts'
import { validate } from '../config/validate.ts'
import { environmentConfig } from './config.ts'
import { configures, type Environment, ignored } from './variables.ts'

function problems(env: Environment): string[] {
  try {
    environmentConfig(env)
    return []
  } catch (error) {
    return (error as ConfigError).problems.map(describeProblem)
  }
}

const listener = (config: GatewayConfig, name: string) => config.listeners.find((one) => one.name === name)
const web = { HTTP_BACKEND_ENDPOINT: 'http-backend:5678' }
const tcp = { TCP_BACKEND_ENDPOINT: 'tcp-backend:15432' }
const smtp = { SMTP_BACKEND_ENDPOINT: 'smtp-backend:1025' }
const names = (env: Environment) => environmentConfig(env).listeners.map(({ name }) => name)

describe('environmentConfig', () => {
  it('serves what a variable is set for', () => {
    expect(names(web)).toEqual(['http'])
    expect(names(tcp)).toEqual(['postgres', 'mysql'])
    expect(names({ ...tcp, TCP_MYSQL_PORT: '0', TCP_MONGODB_PORT: '27017' })).toEqual(['postgres', 'mongodb'])
    expect(names(smtp)).toEqual(['smtp'])
    expect(names({ PROXY_RESOLVER: './r.ts' })).toEqual(['http', 'postgres', 'mysql'])
    expect(names({ ...web, ...tcp, ...smtp, PROXY_PROTOCOL: 'http' })).toEqual(['http'])
    expect(names({ ...web, ...tcp, ...smtp, PROXY_PROTOCOL: 'smtp' })).toEqual(['smtp'])
  })

  it('listens on the ports of the original, on every address', () => {
    const config = environmentConfig({ ...web, ...tcp, ...smtp })
    expect(config.listeners.map(({ address }) => address)).toEqual([
      '0.0.0.0:8080',
      '0.0.0.0:5432',
      '0.0.0.0:3306',
      '0.0.0.0:25',
    ])
    expect(config.admin).toEqual({ address: '127.0.0.1:9901' })
  })

  it('is a valid configuration', () => {
    expect(validate(environmentConfig({ ...web, ...tcp, ...smtp, TCP_MONGODB_PORT: '27017' }))).toEqual([])
  })

  it('maps the variables of HTTP', () => {
    const config = environmentConfig({
      ...web,
      HTTP_PORT: '81',
      HTTP_WORKERS: '3',
      HTTP_FIXED_BACKEND: 'fixed:1',
      HTTP_DIRECT_RESPONSE: 'hello',
      HTTP_BACKEND_POOL_SIZE: '7',
      HTTP_KEEPALIVE_TIMEOUT: '61',
      HTTP_OPEN_HTTP2: 'true',
      HTTP_SKIP_VALIDATION: 'true',
      PROXY_HOST: '127.0.0.1',
    })
    expect(config.workers).toBe(3)
    expect(listener(config, 'http')).toMatchObject({
      address: '127.0.0.1:81',
      skipValidation: true,
      options: {
        backend: 'fixed:1',
        directResponse: { body: 'hello' },
        poolSize: 7,
        keepAliveTimeoutMs: 61_000,
        http2: true,
        h2c: true,
      },
    })
  })

  it('maps the variables of TCP', () => {
    const config = environmentConfig({
      ...tcp,
      TCP_POSTGRES_PORT: '6432',
      TCP_MYSQL_PORT: '3307',
      TCP_MONGODB_PORT: '27019',
      TCP_WORKERS: '2',
      TCP_SKIP_VALIDATION: '1',
    })
    expect(config.workers).toBe(2)
    expect(listener(config, 'postgres')).toMatchObject({ address: '0.0.0.0:6432', skipValidation: true })
    expect(listener(config, 'mysql')).toMatchObject({
      address: '0.0.0.0:3307',
      protocol: 'mysql',
      options: { defaultKey: 'default' },
      skipValidation: true,
    })
    expect(listener(config, 'mongodb')).toMatchObject({
      address: '0.0.0.0:27019',
      protocol: 'mongodb',
      options: { defaultKey: 'default' },
      skipValidation: true,
    })
  })

  it('refuses clients that name no tenant where a resolver knows the tenants', () => {
    const config = environmentConfig({ PROXY_RESOLVER: 'r.ts' })
    expect(listener(config, 'mysql')?.options).toBeUndefined()
  })

  it('maps the variables of SMTP', () => {
    const config = environmentConfig({ ...smtp, SMTP_PORT: '2525', SMTP_WORKERS: '4', SMTP_SKIP_VALIDATION: 'yes' })
    expect(config.workers).toBe(4)
    expect(listener(config, 'smtp')).toMatchObject({
      address: '0.0.0.0:2525',
      protocol: 'smtp',
      skipValidation: true,
    })
  })

  it('has one worker per CPU unless told otherwise, and the larger number of two', () => {
    expect(environmentConfig(web).workers).toBe(availableParallelism())
    expect(environmentConfig({ ...web, ...tcp, HTTP_WORKERS: '2', TCP_WORKERS: '5' }).workers).toBe(5)
  })

  it('takes the resolver from its module, and endpoints otherwise', () => {
    expect(environmentConfig({ ...web, PROXY_RESOLVER: '/etc/resolver.ts' }).resolver).toBe('/etc/resolver.ts')
    const { resolver } = environmentConfig({ ...web, ...tcp, ...smtp })
    const resolve = (protocol: string): unknown =>
      typeof resolver === 'object' && 'resolve' in resolver && resolver.resolve({ protocol } as never, null as never)
    expect(resolve('http')).toBe('http-backend:5678')
    expect(resolve('postgres')).toBe('tcp-backend:15432')
    expect(resolve('mysql')).toBe('tcp-backend:15432')
    expect(resolve('mongodb')).toBe('tcp-backend:15432')
    expect(resolve('smtp')).toBe('smtp-backend:1025')
  })

  it('maps TLS, each listener in the way of its protocol', () => {
    const files = { PROXY_TLS_ENABLED: 'true', PROXY_TLS_CERT: '/c.pem', PROXY_TLS_KEY: '/k.pem' }
    const mutual = { PROXY_TLS_CA: '/ca.pem', PROXY_TLS_REQUIRE_CLIENT_CERT: 'true' }
    const config = environmentConfig({ ...web, ...tcp, ...smtp, ...files, ...mutual })
    const tls = { certificates: [{ cert: '/c.pem', key: '/k.pem' }], ca: '/ca.pem', requireClientCert: true }
    for (const { tls: one } of config.listeners) expect(one).toEqual(tls)
  })

  it.each([
    [{ ...web, HTTP_PORT: 'eighty' }, 'HTTP_PORT: must be a whole number from 0 to 65535, not "eighty".'],
    [{ ...web, HTTP_WORKERS: '0' }, 'HTTP_WORKERS: must be a whole number from 1 to 1024, not "0".'],
    [{ ...web, HTTP_SKIP_VALIDATION: 'maybe' }, 'HTTP_SKIP_VALIDATION: must be true or false.'],
    [
      { ...tcp, PROXY_PROTOCOL: 'tpc' },
      'PROXY_PROTOCOL: must be one of http, tcp, smtp, not "tpc". Did you mean "tcp"?',
    ],
    [{ PROXY_PROTOCOL: 'http' }, /^HTTP_BACKEND_ENDPOINT: is missing: nothing says where to route/],
    [{ PROXY_PROTOCOL: 'smtp' }, /^SMTP_BACKEND_ENDPOINT: is missing: nothing says where to route/],
    [{ ...smtp, SMTP_PORT: '0' }, /no listener/],
    [
      { TCP_POSTGRES_PORT: '0', TCP_MYSQL_PORT: '0', ...tcp, HTTP_DIRECT_RESPONSE: 'x', PROXY_PROTOCOL: 'tcp' },
      /no listener/,
    ],
    [{ ...web, PROXY_TLS_ENABLED: 'true' }, 'PROXY_TLS_*: PROXY_TLS_ENABLED needs PROXY_TLS_CERT and PROXY_TLS_KEY'],
    [{ ...web, LOG_LEVEL: 'loud' }, /^LOG_LEVEL: must be one of fatal/],
  ])('reports %j', (env: Environment, expected: string | RegExp) => {
    const found = problems(env)
    expect(found.length).toBeGreaterThan(0)
    if (typeof expected === 'string') expect(found).toContain(expected)
    else expect(found.join('\n')).toMatch(expected)
  })
})

describe('variables', () => {
  it('leave the embedded default when only its ports are set', () => {
    expect(configures({ HTTP_PORT: '1', TCP_POSTGRES_PORT: '2', ADMIN_PORT: '3', LOG_LEVEL: 'debug' })).toBe(false)
    expect(configures({ TCP_MYSQL_PORT: '1', TCP_MONGODB_PORT: '2', SMTP_PORT: '3' })).toBe(false)
    expect(configures({ HTTP_PORT: '1', HTTP_BACKEND_ENDPOINT: 'a:1' })).toBe(true)
    expect(configures({ PROXY_RESOLVER: '' })).toBe(false)
  })

  it('tell which ones have no effect', () => {
    expect(ignored({ HTTP_RAW_BACKEND: 'true', HTTP_PORT: '1', TCP_SOCKMAP_ENABLED: '1' })).toEqual([
      'HTTP_RAW_BACKEND',
      'TCP_SOCKMAP_ENABLED',
    ])
  })
})
