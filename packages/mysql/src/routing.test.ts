import { describe, expect, test } from 'vitest'
import { offered } from './capabilities.ts'
import type { LoginPacket } from './login.ts'
import { type MysqlOptions, settingsOf } from './options.ts'
import { findRoute, noKey, userWithin } from './routing.ts'

interface Said {
  readonly user?: string
  readonly database?: string
  readonly sni?: string
  readonly attributes?: Buffer
}

function routed(options: MysqlOptions, { user = 'app', database, sni, attributes }: Said) {
  const login: LoginPacket = {
    flags: offered([], false),
    maxPacket: 0,
    charset: 45,
    user,
    response: Buffer.from('the proof'),
    database,
    plugin: '',
    attributes,
  }
  return findRoute(login, sni, settingsOf(options))
}

const conflict = expect.objectContaining({ code: 'PROXY_KEY_CONFLICT' }) as object
const domain = { sniDomain: 'db.example.com' }

describe('by default', () => {
  test.each([
    ['the database', { database: 'alpha' }, 'alpha', 'app'],
    ['the database, whatever dots the user has', { user: 'john.doe', database: 'alpha' }, 'alpha', 'john.doe'],
    ['the database, named in the user too', { user: 'alpha.app', database: 'alpha' }, 'alpha', 'app'],
    ['the user, where no database is named', { user: 'alpha.app' }, 'alpha', 'app'],
    ['the user, at the first separator', { user: 'alpha.app.x' }, 'alpha', 'app.x'],
  ])('%s', (_, said, key, user) => {
    expect(routed({}, said)).toMatchObject({ key, login: { user, database: (said as Said).database } })
  })

  test.each([{}, { sni: 'alpha.example' }, { user: '.app' }, { user: 'app.' }, { user: '' }])('none: %o', (said) => {
    expect(routed({}, said)).toBeUndefined()
  })
})

describe('with a domain', () => {
  test('the server name decides where no database is named', () => {
    expect(routed(domain, { sni: 'alpha.db.example.com' })).toMatchObject({ key: 'alpha' })
    expect(routed(domain, { sni: 'elsewhere.example.com', user: 'beta.app' })).toMatchObject({ key: 'beta' })
    expect(routed(domain, { sni: 'db.example.com' })).toBeUndefined()
  })

  test('two tenants are a conflict', () => {
    expect(() => routed(domain, { sni: 'alpha.db.example.com', database: 'beta' })).toThrow(conflict)
    expect(() => routed(domain, { sni: 'alpha.db.example.com', user: 'beta.app' })).toThrow(conflict)
    expect(routed(domain, { sni: 'alpha.db.example.com', user: 'alpha.app', database: 'alpha' })).toMatchObject({
      key: 'alpha',
    })
  })
})

describe('as told', () => {
  test('a database behind another source is inside the tenant', () => {
    const route = routed({ keys: ['user', 'database'] }, { user: 'alpha.app', database: 'shop' })
    expect(route).toMatchObject({ key: 'alpha', login: { user: 'app', database: 'shop' } })
    expect(routed({ keys: ['sni', 'user'] }, { sni: 'alpha', user: 'app', database: 'shop' })).toMatchObject({
      key: 'alpha',
    })
  })

  test('the user’s other end and another separator', () => {
    const options: MysqlOptions = { keys: ['user'], userPart: 'suffix', userSeparator: '@@' }
    expect(routed(options, { user: 'a@@b@@alpha' })).toMatchObject({ key: 'alpha', user: 'a@@b' })
  })

  test('a default for those who name none', () => {
    expect(routed({ defaultKey: 'main' }, {})).toMatchObject({ key: 'main' })
    expect(routed({ defaultKey: 'main' }, { database: 'alpha' })).toMatchObject({ key: 'alpha' })
    expect(routed({ keys: [], defaultKey: 'main' }, { user: 'a.b', database: 'alpha' })).toMatchObject({
      key: 'main',
      login: { user: 'a.b', database: 'alpha' },
    })
  })

  test('what is sent on', () => {
    const rewrite: MysqlOptions['rewrite'] = ({ user }, key) => ({ user: `${user}_rw`, database: `t_${key}` })
    expect(routed({ rewrite }, { user: 'alpha.app' })).toMatchObject({
      login: { user: 'app_rw', database: 't_alpha' },
      user: 'app',
    })
  })
})

test('the resolver hears who asks, and no secrets', () => {
  const attributes = Buffer.from('\x0cprogram_name\x04myad\x08password\x03abc', 'latin1')
  const route = routed(domain, { user: 'app', database: 'alpha', sni: 'alpha.db.example.com', attributes })
  expect(route?.attributes).toEqual({
    user: 'app',
    database: 'alpha',
    applicationName: 'myad',
    serverName: 'alpha.db.example.com',
  })
})

test('a user in a session is mapped as at its login', () => {
  const settings = settingsOf({})
  expect(['alpha.app', 'beta.app', 'app'].map((user) => userWithin(user, 'alpha', settings))).toEqual([
    'app',
    'beta.app',
    'app',
  ])
  expect(userWithin('alpha.app', 'alpha', settingsOf({ keys: ['database'] }))).toBe('alpha.app')
})

test('who names no tenant is told how to', () => {
  expect(noKey(settingsOf({}))).toMatchObject({
    code: 'PROXY_NO_KEY',
    hint: 'Name a database, or name the tenant in the user name.',
  })
})

test.each<MysqlOptions>([
  { keys: [] },
  { keys: ['database', 'database'] },
  { keys: ['host' as never] },
  { sniDomain: '.' },
  { userSeparator: '' },
  { userPart: 'middle' as never },
  { defaultKey: '' },
  { serverVersion: '' },
  { serverVersion: 'eight' },
  { serverVersion: '8.0\0' },
  { authPlugin: 'dialog' as never },
  { features: ['compress' as never] },
  { passwordBridge: 'sometimes' as never },
  { readinessTimeoutMs: Number.NaN },
  { node: 16 },
])('options that make no sense are refused: %o', (options) => {
  expect(() => settingsOf(options)).toThrow(expect.objectContaining({ code: 'PROXY_CONFIG_INVALID' }) as Error)
})
