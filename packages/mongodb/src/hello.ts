import { createHash } from 'node:crypto'
import { DocumentWriter, type Elements } from './bson.ts'
import type { MongodbSettings } from './options.ts'

/** What a client says of itself in `hello`, as far as it matters here. */
export interface Hello {
  /** It calls the command `hello`, not `isMaster`. */
  readonly modern: boolean
  readonly loadBalanced: boolean
  readonly helloOk: boolean
  /** `db.user`, of whom it wants to know the SASL mechanisms. */
  readonly saslSupportedMechs: string | undefined
  /** What it would begin to authenticate with. */
  readonly speculative: Login | undefined
  readonly appName: string | undefined
  readonly apiVersion: string | undefined
  /** Elements that its backend is to get too. */
  readonly forBackend: readonly Buffer[]
}

/** The beginning of an authentication, in `saslStart` or in `speculativeAuthenticate`. */
export interface Login {
  readonly database: string | undefined
  readonly mechanism: string | undefined
  readonly user: string | undefined
}

/** Client metadata and Stable API; compression, topology and speculation are between the client and the gateway. */
const passedOn: ReadonlySet<string> = new Set(['client', 'apiVersion', 'apiStrict', 'apiDeprecationErrors'])

/** Throws `PROXY_MALFORMED`. */
export function readHello(document: Elements, modern: boolean): Hello {
  const forBackend: Buffer[] = []
  const hello = {
    modern,
    loadBalanced: false,
    helloOk: false,
    saslSupportedMechs: undefined as string | undefined,
    speculative: undefined as Login | undefined,
    appName: undefined as string | undefined,
    apiVersion: undefined as string | undefined,
    forBackend,
  }
  while (document.next()) {
    if (passedOn.has(document.key)) forBackend.push(Buffer.from(document.element))
    if (document.key === 'loadBalanced') hello.loadBalanced = document.truth
    else if (document.key === 'helloOk') hello.helloOk = document.truth
    else if (document.key === 'saslSupportedMechs') hello.saslSupportedMechs = document.string
    else if (document.key === 'speculativeAuthenticate') hello.speculative = document.inner && readLogin(document.inner)
    else if (document.key === 'client') hello.appName = document.inner && appNameOf(document.inner)
    else if (document.key === 'apiVersion') hello.apiVersion = document.string
  }
  return hello
}

/** Of `saslStart`, and of `speculativeAuthenticate`, which says `db` in place of `$db`. Throws `PROXY_MALFORMED`. */
export function readLogin(document: Elements): Login {
  let database: string | undefined
  let mechanism: string | undefined
  let payload: Buffer | undefined
  let user: string | undefined
  while (document.next()) {
    if (document.key === '$db' || document.key === 'db') database = document.string
    else if (document.key === 'mechanism') mechanism = document.string
    else if (document.key === 'payload') payload = document.binary
    else if (document.key === 'user') user = document.string
  }
  return { database, mechanism, user: userOf(mechanism, payload) ?? user }
}

/** The user name in the first message of SCRAM (RFC 5802 section 7) and of PLAIN (RFC 4616). */
function userOf(mechanism: string | undefined, payload: Buffer | undefined): string | undefined {
  if (payload === undefined || mechanism === undefined) return undefined
  if (mechanism === 'PLAIN') return payload.toString().split('\0')[1]
  if (!mechanism.startsWith('SCRAM-')) return undefined
  const name = /^[^,]*,[^,]*,n=([^,]*)/.exec(payload.toString())?.[1]
  return name?.replaceAll('=2C', ',').replaceAll('=3D', '=')
}

function appNameOf(client: Elements): string | undefined {
  while (client.next()) if (client.key === 'application') return client.inner && nameOf(client.inner)
  return undefined
}

function nameOf(application: Elements): string | undefined {
  while (application.next()) if (application.key === 'name') return application.string
  return undefined
}

/** What the gateway's answer to `hello` depends on beside the options. */
export interface HelloAnswer {
  /** The client calls the command `hello`. */
  readonly modern: boolean
  readonly helloOk: boolean
  /** For clients behind a balancer: the tenant, or `''` where it is not known yet. */
  readonly service: string | undefined
  readonly connection: number
  /** An element for the answer's end: the mechanisms of a user. */
  readonly mechanisms: Buffer | undefined
}

/**
 * The answer to `hello`, in the form of a mongos: it names no other server, so clients stay with the gateway. There is no
 * topologyVersion, so clients ask again now and then instead of being told.
 */
export function helloDocument(answer: HelloAnswer, settings: MongodbSettings): Buffer {
  const document = new DocumentWriter()
  if (answer.helloOk) document.boolean('helloOk', true)
  document
    .boolean(answer.modern ? 'isWritablePrimary' : 'ismaster', true)
    .string('msg', 'isdbgrid')
    .int32('maxBsonObjectSize', 16_777_216)
    .int32('maxMessageSizeBytes', 48_000_000)
    .int32('maxWriteBatchSize', 100_000)
    .date('localTime', Date.now())
  // Load-balanced drivers always retry writes; without sessions they would do so without a number, and write twice.
  if (settings.sessions || answer.service !== undefined) document.int32('logicalSessionTimeoutMinutes', 30)
  document
    .int32('connectionId', answer.connection)
    .int32('minWireVersion', settings.wireVersions.min)
    .int32('maxWireVersion', settings.wireVersions.max)
    .boolean('readOnly', false)
  if (answer.service !== undefined) document.objectId('serviceId', serviceId(answer.service))
  return document.copy(answer.mechanisms).double('ok', 1).end()
}

/**
 * Names what is behind a connection to clients that know they are behind a balancer: they drop the connections of one service
 * together. All connections of a tenant have the same, on every gateway; those whose tenant is not known yet share one, which a
 * client, being for one tenant, sees with one backend only.
 */
function serviceId(name: string): Buffer {
  return createHash('sha256').update(`mongodb service ${name}`).digest()
}

/** The `hello` for the backend: the client's own, without what is between the client and the gateway. */
export function helloForBackend(hello: Hello | undefined, mechanismsFor: string | undefined): Buffer {
  // A client of the Stable API may not say isMaster, and servers before 4.4.2 do not know hello.
  const modern = hello !== undefined && (hello.modern || hello.apiVersion !== undefined)
  const document = new DocumentWriter().int32(modern ? 'hello' : 'isMaster', 1)
  for (const element of hello?.forBackend ?? []) document.copy(element)
  if (mechanismsFor !== undefined) document.string('saslSupportedMechs', mechanismsFor)
  return document.string('$db', 'admin').end()
}

/** What a backend says of itself. */
export interface BackendHello {
  readonly ok: boolean
  readonly code: number | undefined
  readonly writable: boolean
  /** Sessions, retryable writes and transactions. */
  readonly sessions: boolean
  readonly minWireVersion: number
  readonly maxWireVersion: number
  /** The element `saslSupportedMechs`. */
  readonly mechanisms: Buffer | undefined
}

/** Throws `PROXY_MALFORMED`. */
export function readBackendHello(document: Elements): BackendHello {
  let [ok, writable, grid, replica] = [false, false, false, false]
  let code: number | undefined
  let [minWireVersion, maxWireVersion] = [0, 0]
  let mechanisms: Buffer | undefined
  while (document.next()) {
    if (document.key === 'ok') ok = document.truth
    else if (document.key === 'code') code = document.number
    else if (document.key === 'isWritablePrimary' || document.key === 'ismaster') writable = document.truth
    else if (document.key === 'msg') grid = document.string === 'isdbgrid'
    else if (document.key === 'setName') replica = true
    else if (document.key === 'minWireVersion') minWireVersion = document.number ?? 0
    else if (document.key === 'maxWireVersion') maxWireVersion = document.number ?? 0
    else if (document.key === 'saslSupportedMechs') mechanisms = Buffer.from(document.element)
  }
  return { ok, code, writable, sessions: grid || replica, minWireVersion, maxWireVersion, mechanisms }
}
