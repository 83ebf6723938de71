import type { GatewayError } from '@proxy/kernel'
import { expect, test } from 'vitest'
import { type Hello, readHello } from './hello.ts'
import { type MongodbOptions, settingsOf } from './options.ts'
import { Clues, noKey } from './routing.ts'
import { Elements } from './bson.ts'
import { serialize } from 'bson'

interface Said {
  readonly serverName?: string
  readonly hello?: object
  readonly login?: { database: string; user?: string }
  readonly database?: string
}

function cluesOf({ serverName, hello, login }: Said, options: MongodbOptions): Clues {
  const clues = new Clues(settingsOf(options), serverName)
  if (hello !== undefined) clues.hear(helloOf(hello))
  if (login !== undefined) clues.hearLogin({ mechanism: undefined, user: undefined, ...login })
  return clues
}

const helloOf = (document: object): Hello => readHello(new Elements(Buffer.from(serialize(document))), true)

const metadata = (name: string) => ({ client: { driver: { name: 'x' }, application: { name } } })

test.each<[string, MongodbOptions, Said, string | undefined]>([
  ['the first database', {}, { database: 'alpha' }, 'alpha'],
  ['saslSupportedMechs', {}, { hello: { saslSupportedMechs: 'alpha.app.x' } }, 'alpha'],
  ['speculativeAuthenticate', {}, { hello: { speculativeAuthenticate: { db: 'alpha' } } }, 'alpha'],
  ['saslStart', {}, { login: { database: 'alpha' } }, 'alpha'],
  ['the authentication database before the user', {}, { login: { database: 'alpha', user: 'john.doe' } }, 'alpha'],
  ['the user of an admin database', {}, { login: { database: 'admin', user: 'app.alpha' } }, 'alpha'],
  ['the user of saslSupportedMechs', {}, { hello: { saslSupportedMechs: 'admin.a.b.alpha' } }, 'alpha'],
  ['the prefix', { userPart: 'prefix' }, { login: { database: '$external', user: 'alpha.a.b' } }, 'alpha'],
  ['another separator', { userSeparator: '@' }, { login: { database: 'admin', user: 'a.b@alpha' } }, 'alpha'],
  ['the application', { keys: ['appName'] }, { hello: metadata('alpha'), database: 'shop' }, 'alpha'],
  ['the server name', { keys: ['sni'] }, { serverName: 'alpha.example', database: 'shop' }, 'alpha.example'],
  ['its part', { sniDomain: '.db.example.' }, { serverName: 'alpha.db.example', database: 'shop' }, 'alpha'],
  ['a name outside the domain', { sniDomain: 'db.example' }, { serverName: 'db.example', database: 'shop' }, 'shop'],
  ['the tenant of a database', { databaseKey: (name) => name.split('-')[0] }, { database: 'alpha-logs' }, 'alpha'],
  ['no tenant of a database', { databaseKey: () => undefined }, { database: 'alpha' }, undefined],
  ['admin', {}, { database: 'admin' }, undefined],
  ['config', {}, { database: 'config' }, undefined],
  ['local', {}, { login: { database: 'local' } }, undefined],
  ['$external', {}, { hello: { saslSupportedMechs: '$external.app' } }, undefined],
  ['nothing', {}, {}, undefined],
])('by %s', (_name, options, said, key) => {
  expect(cluesOf(said, options).route(said.database)?.key).toBe(key)
})

test.each<[string, MongodbOptions, Said]>([
  ['two databases', {}, { login: { database: 'alpha' }, database: 'beta' }],
  [
    'server name and user',
    { keys: ['sni', 'user'] },
    { serverName: 'alpha', login: { database: 'x', user: 'a.beta' } },
  ],
  ['database and server name', { keys: ['database', 'sni'] }, { serverName: 'alpha', database: 'beta' }],
  ['user and application', { keys: ['user', 'appName'] }, { hello: { ...metadata('b'), saslSupportedMechs: 'x.u.a' } }],
])('%s in conflict are refused', (_name, options, said) => {
  expect(() => cluesOf(said, options).route(said.database)).toThrow(
    expect.objectContaining({ code: 'PROXY_KEY_CONFLICT' }) as GatewayError,
  )
})

test('the route says whether databases are tenants, and everything that was read', () => {
  const said = { serverName: 's', hello: { ...metadata('shop'), saslSupportedMechs: 'alpha.app' } }
  const attributes = { authSource: 'alpha', user: 'app', appName: 'shop', serverName: 's', database: 'alpha' }
  expect(cluesOf(said, {}).route('alpha')).toEqual({ key: 'alpha', byDatabase: true, attributes })
  expect(cluesOf(said, { keys: ['appName'] }).route('x')).toMatchObject({ key: 'shop', byDatabase: false })
})

test('the default route is asked for apart', () => {
  const clues = cluesOf({}, { defaultKey: 'alpha' })
  expect([clues.route('admin'), clues.defaultRoute('admin')?.key]).toEqual([undefined, 'alpha'])
  expect(cluesOf({}, {}).defaultRoute(undefined)).toBeUndefined()
})

test('connections that came by default reach other databases only where these are no tenants', () => {
  expect(cluesOf({}, { defaultKey: 'alpha' }).defaultRoute('admin')?.byDatabase).toBe(true)
  expect(cluesOf({}, { defaultKey: 'alpha', keys: ['sni'] }).defaultRoute('admin')?.byDatabase).toBe(false)
})

test('without a key there is advice', () => {
  expect(noKey(settingsOf({})).hint).toMatch(/^Authenticate .*, or use .*\.$/)
})

test.each<[MongodbOptions, RegExp]>([
  [{ keys: [] }, /keys/],
  [{ keys: ['sni', 'sni'] }, /twice/],
  [{ keys: ['host' as 'sni'] }, /none of/],
  [{ sniDomain: '.' }, /sniDomain/],
  [{ userSeparator: '' }, /userSeparator/],
  [{ defaultKey: '' }, /defaultKey/],
  [{ wireVersions: { min: 5, max: 4 } }, /wireVersions/],
  [{ wireVersions: { min: 0, max: 1.5 } }, /wireVersions/],
  [{ serverVersion: '7' }, /serverVersion/],
  [{ mechanisms: [] }, /mechanisms/],
  [{ readinessTimeoutMs: -1 }, /readinessTimeoutMs/],
])('options that make no sense: %o', (options, message) => {
  expect(() => settingsOf(options)).toThrow(message)
})
