import { readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { GatewayError } from '@proxy/kernel'
import type { DockerResolverOptions, DockerTls } from './options.ts'

const DEFAULT_HOST = 'unix:///var/run/docker.sock'

type Environment = Readonly<Record<string, string | undefined>>

/** How the engine is reached. */
export interface EngineAddress {
  readonly origin: string
  readonly socketPath: string | undefined
  readonly tls: DockerTls | undefined
  /** Where ports that a container publishes on every address are dialled. */
  readonly publishedHost: string
}

/** Throws `PROXY_CONFIG_INVALID` for what is no address of an engine, or names files that cannot be read. */
export function engineAddress(options: DockerResolverOptions, env: Environment): EngineAddress {
  const host = options.host ?? env['DOCKER_HOST'] ?? ''
  const url = parse(host === '' ? DEFAULT_HOST : host)
  if (url.protocol === 'unix:') {
    const socketPath = decodeURIComponent(url.pathname)
    return { origin: 'http://localhost', socketPath, tls: undefined, publishedHost: '127.0.0.1' }
  }
  const tls = options.tls ?? tlsOf(env)
  const origin = `${tls === undefined && url.protocol !== 'https:' ? 'http' : 'https'}://${url.host}`
  return { origin, socketPath: undefined, tls, publishedHost: url.hostname.replace(/^\[|\]$/g, '') }
}

function parse(host: string): URL {
  const url = URL.canParse(host) ? new URL(host) : undefined
  const known = url !== undefined && ['unix:', 'tcp:', 'http:', 'https:'].includes(url.protocol)
  if (known && (url.protocol === 'unix:' ? url.pathname.length > 1 : url.host !== '')) return url
  throw new GatewayError('PROXY_CONFIG_INVALID', {
    message: `the Docker host ${JSON.stringify(host)} is neither unix:///path nor tcp://host:port`,
  })
}

function tlsOf(env: Environment): DockerTls | undefined {
  if ((env['DOCKER_TLS_VERIFY'] ?? '') === '') return undefined
  const directory = env['DOCKER_CERT_PATH'] ?? join(homedir(), '.docker')
  try {
    const [ca, cert, key] = ['ca.pem', 'cert.pem', 'key.pem'].map((name) => readFileSync(join(directory, name)))
    return { ca, cert, key }
  } catch (cause) {
    throw new GatewayError('PROXY_CONFIG_INVALID', {
      message: 'DOCKER_TLS_VERIFY is set, but the certificates of DOCKER_CERT_PATH cannot be read',
      cause,
    })
  }
}
