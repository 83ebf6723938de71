import { deserialize, Long, serialize } from 'bson'
import { describe, expect, test } from 'vitest'
import { Elements } from './bson.ts'
import { capture, messagesOf } from './__fixtures__/streams.ts'
import { type Hello, helloDocument, helloForBackend, readBackendHello, readHello, readLogin } from './hello.ts'
import { settingsOf } from './options.ts'

const elements = (document: object): Elements => new Elements(Buffer.from(serialize(document)))
const firstHello = (name: Parameters<typeof capture>[0]): Hello => {
  const bytes = messagesOf(capture(name))[0]!
  const legacy = bytes.readInt32LE(12) === 2004
  return readHello(new Elements(bytes, legacy ? bytes.indexOf(0, 20) + 9 : 21), !legacy)
}

describe('what clients say of themselves', () => {
  test('the driver', () => {
    expect(firstHello('driver')).toMatchObject({ modern: false, loadBalanced: false, helloOk: true })
  })

  test('the driver behind a balancer', () => {
    expect(firstHello('driver-balanced')).toMatchObject({ modern: true, loadBalanced: true })
  })

  test('the driver with the Stable API', () => {
    expect(firstHello('driver-api')).toMatchObject({ modern: true, apiVersion: '1' })
  })

  test('the driver with a login', () => {
    const hello = firstHello('driver-scram')
    expect(hello).toMatchObject({ saslSupportedMechs: 'alpha.app', appName: 'shop' })
    expect(hello.speculative).toEqual({ database: 'alpha', mechanism: 'SCRAM-SHA-256', user: 'app' })
    expect(firstHello('driver-mechanism')).toMatchObject({
      saslSupportedMechs: undefined,
      speculative: { database: 'alpha' },
    })
  })

  test('its monitor says nothing of it', () => {
    expect(firstHello('driver-scram-monitor')).toMatchObject({ saslSupportedMechs: undefined, speculative: undefined })
  })
})

describe('the user of a login', () => {
  const login = (mechanism: string, payload: string) =>
    readLogin(elements({ saslStart: 1, mechanism, payload: Buffer.from(payload), $db: 'admin' })).user

  test.each([
    ['SCRAM-SHA-256', 'n,,n=app,r=abc', 'app'],
    ['SCRAM-SHA-1', 'n,,n=a=2Cb=3Dc,r=abc', 'a,b=c'],
    ['SCRAM-SHA-256', 'p=tls-unique,,n=app,r=abc', 'app'],
    ['PLAIN', '\0app\0secret', 'app'],
    ['GSSAPI', 'n,,n=app,r=abc', undefined],
    ['SCRAM-SHA-256', 'nonsense', undefined],
  ])('%s %j', (mechanism, payload, user) => {
    expect(login(mechanism, payload)).toBe(user)
  })
})

describe('what the gateway says of itself', () => {
  const answer = { modern: true, helloOk: false, service: undefined, connection: 3, mechanisms: undefined }
  const describe_ = (options = {}, more = {}) =>
    deserialize(helloDocument({ ...answer, ...more }, settingsOf(options))) as Record<string, unknown>

  test('the form of a mongos, which names no server', () => {
    const { localTime, ...rest } = describe_()
    expect(localTime).toBeInstanceOf(Date)
    expect(rest).toEqual({
      isWritablePrimary: true,
      msg: 'isdbgrid',
      maxBsonObjectSize: 16_777_216,
      maxMessageSizeBytes: 48_000_000,
      maxWriteBatchSize: 100_000,
      connectionId: 3,
      minWireVersion: 0,
      maxWireVersion: 21,
      readOnly: false,
      ok: 1,
    })
  })

  test('legacy names', () => {
    expect(describe_({}, { modern: false, helloOk: true })).toMatchObject({ ismaster: true, helloOk: true })
    expect(describe_({}, { modern: false })['isWritablePrimary']).toBeUndefined()
  })

  test('sessions, where they are known to be there or the client takes them for granted', () => {
    expect(describe_({ sessions: true })['logicalSessionTimeoutMinutes']).toBe(30)
    expect(describe_({}, { service: '' })['logicalSessionTimeoutMinutes']).toBe(30)
  })

  test('the service is the same for a tenant on every connection', () => {
    const of = (service: string) => String(describe_({}, { service })['serviceId'])
    expect(of('alpha')).toMatch(/^[0-9a-f]{24}$/)
    expect([of('alpha') === of('alpha'), of('alpha') === of('beta'), of('alpha') === of('')]).toEqual([
      true,
      false,
      false,
    ])
  })

  test('mechanisms as the backend named them', () => {
    const named = readBackendHello(elements({ ismaster: true, saslSupportedMechs: ['SCRAM-SHA-1'], ok: 1 }))
    expect(describe_({}, { mechanisms: named.mechanisms })['saslSupportedMechs']).toEqual(['SCRAM-SHA-1'])
  })
})

describe('what the backend is told', () => {
  const told = (hello: Hello | undefined, mechanismsFor?: string) => deserialize(helloForBackend(hello, mechanismsFor))

  test('the metadata of the client, without what is between the client and the gateway', () => {
    const said = {
      hello: 1,
      client: { driver: { name: 'x' } },
      compression: ['zstd'],
      loadBalanced: true,
      topologyVersion: { counter: 1 },
      maxAwaitTimeMS: 10_000,
      speculativeAuthenticate: { saslStart: 1, db: 'alpha' },
      saslSupportedMechs: 'alpha.app',
      $db: 'admin',
    }
    expect(told(readHello(elements(said), true))).toEqual({ hello: 1, client: { driver: { name: 'x' } }, $db: 'admin' })
    expect(told(readHello(elements(said), true), 'alpha.app')['saslSupportedMechs']).toBe('alpha.app')
  })

  test('the Stable API needs hello, everybody else knows isMaster', () => {
    const api = { isMaster: 1, apiVersion: '1', apiStrict: true }
    expect(told(readHello(elements(api), false))).toEqual({ hello: 1, apiVersion: '1', apiStrict: true, $db: 'admin' })
    expect(told(readHello(elements({ isMaster: 1 }), false))).toEqual({ isMaster: 1, $db: 'admin' })
    expect(told(undefined)).toEqual({ isMaster: 1, $db: 'admin' })
  })
})

test('what backends say of themselves', () => {
  const mongos = { ismaster: true, msg: 'isdbgrid', minWireVersion: 0, maxWireVersion: Long.fromNumber(25), ok: 1 }
  expect(readBackendHello(elements(mongos))).toMatchObject({
    ok: true,
    writable: true,
    sessions: true,
    maxWireVersion: 25,
  })
  const member = { isWritablePrimary: false, secondary: true, setName: 'rs', ok: 1.5 }
  expect(readBackendHello(elements(member))).toMatchObject({ ok: true, writable: false, sessions: true })
  expect(readBackendHello(elements({ ismaster: true, ok: true }))).toMatchObject({ sessions: false })
  expect(readBackendHello(elements({ ok: 0, code: 11_600 }))).toMatchObject({ ok: false, code: 11_600 })
})
