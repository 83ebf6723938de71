import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { isIP } from 'node:net'
import type { Address } from '@proxy/kernel'

export interface AccessOptions {
  /** undefined: nobody may operate. */
  readonly token: string | undefined
  /** Names, beside addresses and localhost, under which browsers may reach the admin listener. */
  readonly hosts: readonly string[]
}

/** Why a request is not answered. */
export interface Refusal {
  readonly status: 401 | 403
  readonly error: string
  readonly hint?: string | undefined
}

/** What a page shows of what its reader may do. */
export interface AccessView {
  /** Whether reading takes the token. */
  readonly reads: 'open' | 'token'
  readonly token: 'not configured' | 'missing' | 'wrong' | 'right'
}

const noToken = 'Set admin.token in the configuration, or ADMIN_TOKEN in the environment.'

/**
 * Who may do what. Cookies are never looked at, and a page of another origin is never answered: the browser of an operator
 * cannot be made to act for somebody else, nor by a name that was bound to this address (DNS rebinding).
 */
export class Access {
  readonly #token: Buffer | undefined
  readonly #hosts: ReadonlySet<string>
  /** False: whoever reaches the listener is not on this machine. */
  #loopback = false

  constructor({ token, hosts }: AccessOptions) {
    this.#token = token === undefined ? undefined : digest(token)
    this.#hosts = new Set(hosts.map((host) => host.toLowerCase()))
  }

  boundTo({ host }: Address): void {
    this.#loopback = isLoopback(host)
  }

  view({ headers }: IncomingMessage): AccessView {
    return { reads: this.#loopback ? 'open' : 'token', token: this.#tokenOf(headers) }
  }

  /** undefined: the request came under a name of this listener, and not from a page of another origin. */
  foreign({ headers }: IncomingMessage): Refusal | undefined {
    const host = hostName(headers.host)
    if (host === undefined || !this.#isOwn(host)) {
      return refusal(403, 'unknown host name', 'Use an address or localhost, or name it in admin.hosts.')
    }
    const site = headers['sec-fetch-site']
    if (site !== undefined && site !== 'same-origin' && site !== 'none') return refusal(403, 'foreign origin')
    if (headers.origin !== undefined && originHost(headers.origin) !== headers.host?.toLowerCase()) {
      return refusal(403, 'foreign origin')
    }
    return undefined
  }

  /** undefined: may read what the gateway knows of its tenants. */
  reading(request: IncomingMessage): Refusal | undefined {
    const token = this.#tokenOf(request.headers)
    // A wrong token is told, even where none is needed.
    if (this.#loopback && token !== 'wrong') return undefined
    return this.#refusalFor(token)
  }

  /** undefined: may drain, purge and kill. */
  operating(request: IncomingMessage): Refusal | undefined {
    return this.#refusalFor(this.#tokenOf(request.headers))
  }

  #refusalFor(token: AccessView['token']): Refusal | undefined {
    if (token === 'right') return undefined
    if (token === 'not configured') return refusal(403, 'no token is configured', noToken)
    return refusal(401, token === 'missing' ? 'the token is missing' : 'the token is wrong')
  }

  #tokenOf({ authorization }: IncomingHttpHeaders): AccessView['token'] {
    if (this.#token === undefined) return 'not configured'
    const given = /^bearer +(\S+)$/i.exec(authorization ?? '')?.[1]
    if (given === undefined) return authorization === undefined ? 'missing' : 'wrong'
    return timingSafeEqual(digest(given), this.#token) ? 'right' : 'wrong'
  }

  #isOwn(host: string): boolean {
    return isIP(host) !== 0 || host === 'localhost' || host.endsWith('.localhost') || this.#hosts.has(host)
  }
}

const digest = (token: string): Buffer => createHash('sha256').update(token).digest()

const refusal = (status: Refusal['status'], error: string, hint?: string): Refusal => ({ status, error, hint })

export const isLoopback = (host: string): boolean => host === '::1' || host.startsWith('127.') || host === 'localhost'

/** Without port and brackets, in lower case. */
function hostName(header: string | undefined): string | undefined {
  const match = /^(?:\[([0-9a-f:.]+)\]|([^:[\]]+))(?::\d+)?$/i.exec(header ?? '')
  return (match?.[1] ?? match?.[2])?.toLowerCase()
}

function originHost(origin: string): string | undefined {
  return URL.canParse(origin) ? new URL(origin).host : undefined
}
