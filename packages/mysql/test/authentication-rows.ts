import type { clients } from './clients.ts'

export type Client = keyof typeof clients

/** `client -> backend`. */
export const ways: readonly ['plain -> plain', 'plain -> TLS', 'TLS -> plain', 'TLS -> TLS'] = [
  'plain -> plain',
  'plain -> TLS',
  'TLS -> plain',
  'TLS -> TLS',
]
export type Way = (typeof ways)[number]

/** `ok`, the code of the server's own error, or `bridge`: needs a password bridge, and without one is 1251 of ours. */
export type Expected = 'ok' | 1045 | 'bridge'

export interface Row {
  readonly account: string
  /** The database that names the server. */
  readonly server: 'mariadb' | 'sha2' | 'engine'
  readonly user: string
  readonly password: string
  /** How sha2 was shown a password, as it tells itself: by the way. */
  readonly login?: string | Readonly<Record<Way, string>>
  /** Log in beforehand, directly. */
  readonly cached?: boolean
  /** A client that cannot do it, past the gateway either. */
  readonly lacking?: Client
  readonly expected: Expected | Readonly<Record<Way, Expected>>
}

const unlessMixed = {
  'plain -> plain': 'ok',
  'plain -> TLS': 'bridge',
  'TLS -> plain': 'bridge',
  'TLS -> TLS': 'ok',
} as const
const shown = {
  'plain -> plain': 'rsa',
  'plain -> TLS': 'clear',
  'TLS -> plain': 'rsa',
  'TLS -> TLS': 'clear',
} as const
const refusedUnlessMixed = { ...unlessMixed, 'plain -> plain': 1045, 'TLS -> TLS': 1045 } as const

export const mariadbRows: readonly Row[] = [
  { account: 'native', server: 'mariadb', user: 'native', password: 'pass', expected: 'ok' },
  { account: 'native, wrong password', server: 'mariadb', user: 'native', password: 'wrong', expected: 1045 },
  { account: 'native, empty', server: 'mariadb', user: 'none', password: '', expected: 'ok' },
  { account: 'native, missing password', server: 'mariadb', user: 'native', password: '', expected: 1045 },
  { account: 'ed25519', server: 'mariadb', user: 'ed', password: 'pass', lacking: 'mysql2', expected: 'ok' },
  {
    account: 'ed25519, wrong password',
    server: 'mariadb',
    user: 'ed',
    password: 'no',
    lacking: 'mysql2',
    expected: 1045,
  },
  { account: 'unknown user', server: 'mariadb', user: 'nobody', password: 'pass', expected: 1045 },
]

export const sha2Rows: readonly Row[] = [
  {
    account: 'caching_sha2, cached',
    server: 'sha2',
    user: 'sha2',
    password: 'pass',
    cached: true,
    login: 'fast',
    expected: 'ok',
  },
  {
    account: 'caching_sha2, not cached',
    server: 'sha2',
    user: 'sha2',
    password: 'pass',
    login: shown,
    expected: unlessMixed,
  },
  {
    account: 'caching_sha2, wrong password',
    server: 'sha2',
    user: 'sha2',
    password: 'wrong',
    expected: refusedUnlessMixed,
  },
  { account: 'caching_sha2, empty', server: 'sha2', user: 'none', password: '', login: 'empty', expected: 'ok' },
  { account: 'caching_sha2, missing password', server: 'sha2', user: 'sha2', password: '', expected: 1045 },
  {
    account: 'caching_sha2, unknown user',
    server: 'sha2',
    user: 'nobody',
    password: 'pass',
    expected: refusedUnlessMixed,
  },
  { account: 'sha256', server: 'sha2', user: 'sha256', password: 'pass', login: shown, expected: unlessMixed },
  {
    account: 'sha256, wrong password',
    server: 'sha2',
    user: 'sha256',
    password: 'wrong',
    expected: refusedUnlessMixed,
  },
  { account: 'sha256, empty', server: 'sha2', user: 'none256', password: '', lacking: 'mysql2', expected: unlessMixed },
]

/** It has full authentication over TLS only, and says so. */
const overTls = { ...unlessMixed, 'plain -> plain': 1045, 'TLS -> plain': 1045 } as const

export const engineRows: readonly Row[] = [
  {
    account: 'engine: caching_sha2, cached',
    server: 'engine',
    user: 'warm',
    password: 'pass',
    cached: true,
    expected: 'ok',
  },
  { account: 'engine: caching_sha2, not cached', server: 'engine', user: 'cold', password: 'pass', expected: overTls },
  {
    account: 'engine: caching_sha2, wrong password',
    server: 'engine',
    user: 'warm',
    password: 'wrong',
    expected: { ...overTls, 'TLS -> TLS': 1045 },
  },
  { account: 'engine: caching_sha2, empty', server: 'engine', user: 'none', password: '', expected: 'ok' },
  { account: 'engine: native', server: 'engine', user: 'native', password: 'pass', expected: 'ok' },
  { account: 'engine: native, wrong password', server: 'engine', user: 'native', password: 'wrong', expected: 1045 },
]
