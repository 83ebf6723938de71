import { describe, expect, test } from 'vitest'
import { takeSetting } from './command-line.ts'
import { type PostgresOptions, settingsOf } from './options.ts'
import { keyOfServerName, type Route, routeOf } from './routing.ts'
import { encodeStartup, parseStartup } from './startup-message.ts'

interface Connection {
  readonly serverName?: string
  readonly [parameter: string]: string
}

function route(options: PostgresOptions, { serverName, ...parameters }: Connection): Route {
  const packet = encodeStartup(3 << 16, Object.entries({ user: 'app', ...parameters }))
  return routeOf(parseStartup(packet), serverName, settingsOf(options))
}

const sent = (options: PostgresOptions, connection: Connection): Record<string, string> =>
  Object.fromEntries(parseStartup(route(options, connection).packet).parameters)

describe('the key', () => {
  const everything: PostgresOptions = { keys: ['sni', 'options', 'user', 'database'], sniDomain: 'db.example.com' }
  test.each<[string, PostgresOptions, Connection, string]>([
    ['database', {}, { database: 'alpha' }, 'alpha'],
    ['user in place of an absent database', {}, {}, 'app'],
    ['user in place of an empty database', {}, { database: '' }, 'app'],
    ['options before database', {}, { options: '-c tenant=beta', database: 'shop' }, 'beta'],
    ['an empty setting names nobody', {}, { options: '-c tenant=', database: 'shop' }, 'shop'],
    ['server name', { keys: ['sni'] }, { serverName: 'alpha.example' }, 'alpha.example'],
    ['server name below the domain', everything, { serverName: 'alpha.db.example.com', database: 'shop' }, 'alpha'],
    ['server name outside', everything, { serverName: 'example.com', database: 'shop' }, 'shop'],
    ['the domain itself', everything, { serverName: 'db.example.com', database: 'shop' }, 'shop'],
    ['suffix of the user', everything, { user: 'first.last.alpha', database: 'shop' }, 'alpha'],
    ['prefix of the user', { keys: ['user'], userPart: 'prefix' }, { user: 'alpha.first.last' }, 'alpha'],
    ['another separator', { keys: ['user'], userSeparator: '@@' }, { user: 'app@@alpha' }, 'alpha'],
    ['a user without tenant', everything, { user: '.alpha', database: 'shop' }, 'shop'],
    ['two that agree', everything, { serverName: 'alpha.db.example.com', user: 'app.alpha' }, 'alpha'],
    ['absent database behind a split user', { keys: ['database', 'user'] }, { user: 'app.alpha' }, 'alpha'],
  ])('%s', (_, options, connection, key) => {
    expect(route(options, connection).key).toBe(key)
  })

  test.each<[string, PostgresOptions, Connection]>([
    ['server name and options', everything, { serverName: 'alpha.db.example.com', options: '-c tenant=beta' }],
    ['options and user', everything, { options: '-c tenant=beta', user: 'app.alpha' }],
    ['database, when it stands first', { keys: ['database', 'options'] }, { database: 'a', options: '-c tenant=b' }],
  ])('%s in conflict', (_, options, connection) => {
    expect(() => route(options, connection)).toThrow(expect.objectContaining({ code: 'PROXY_KEY_CONFLICT' }))
  })

  test('nobody named one', () => {
    const error = expect.objectContaining({ code: 'PROXY_NO_KEY', hint: expect.stringContaining('host name') })
    expect(() => route({ keys: ['sni', 'user'] }, { database: 'a' })).toThrow(error)
    expect(() => keyOfServerName(undefined, settingsOf({}))).toThrow(error)
  })
})

describe('what is sent on', () => {
  test('the very bytes, when nothing is to be changed', () => {
    const packet = encodeStartup(3 << 16, [['user', 'app']])
    expect(routeOf(parseStartup(packet), undefined, settingsOf({})).packet).toBe(packet)
  })

  test('options without the tenant', () => {
    const options = '-c geqo=off  -c tenant=beta -c work_mem=8MB'
    expect(sent({}, { options })).toEqual({ user: 'app', options: '-c geqo=off   -c work_mem=8MB' })
    expect(sent({}, { options: '--tenant=beta' })).toEqual({ user: 'app' })
  })

  test('the user without the tenant', () => {
    const keys = ['user'] as const
    expect(sent({ keys }, { user: 'app.alpha', replication: 'database' })).toEqual({
      user: 'app',
      replication: 'database',
    })
    expect(route({ keys }, { user: 'app.alpha' }).userChanged).toBe(true)
  })

  test('a rewritten database and user', () => {
    const rewrite: PostgresOptions['rewrite'] = ({ user }, key) => ({ user: `${key}_${user}`, database: 'main' })
    expect(sent({ rewrite }, { database: 'alpha' })).toEqual({ user: 'alpha_app', database: 'main' })
  })

  test('attributes for the resolver', () => {
    const connection = { database: 'alpha', application_name: 'psql', replication: 'true', serverName: 'a.b' }
    expect(route({}, connection).attributes).toEqual({
      user: 'app',
      database: 'alpha',
      applicationName: 'psql',
      replication: 'true',
      serverName: 'a.b',
    })
  })
})

describe('a setting on the command line', () => {
  test.each([
    ['-c tenant=a', 'a', ''],
    ['-ctenant=a', 'a', ''],
    ['--tenant=a', 'a', ''],
    ['-c tenant=a -c tenant=b', 'b', ''],
    ['-c x=y --tenant=a=b', 'a=b', '-c x=y'],
    ['-c tenant=a\\ b', 'a b', ''],
    ['-c  \n tenant=a\t-c x=y', 'a', '-c x=y'],
  ])('%s', (line, value, rest) => {
    expect(takeSetting(line, 'tenant')).toEqual({ value, rest })
  })

  test.each(['', '-c', 'tenant=a', '-c tenants=a', '-c x=-ctenant=a', '-c --tenant=a', '-c x\\ tenant=a'])(
    '%s has none',
    (line) => {
      expect(takeSetting(line, 'tenant')).toBeUndefined()
    },
  )
})

test.each<PostgresOptions>([
  { keys: [] },
  { keys: ['sni', 'sni'] },
  { keys: ['host' as 'sni'] },
  { sniDomain: '.' },
  { optionName: 'a b' },
  { userSeparator: '' },
  { readinessTimeoutMs: -1 },
  { node: 256 },
  { nodes: { 0: 'other:5432' } },
  { nodes: { 256: 'other:5432' } },
  { nodes: { 1: 'other:port' } },
  { maxCancelRate: 0 },
])('%j is refused', (options) => {
  expect(() => settingsOf(options)).toThrow(expect.objectContaining({ code: 'PROXY_CONFIG_INVALID' }))
})
