import { backend as toBackend, Gateway, type Metadata, ResolveError, type RouteRequest } from '@proxy/kernel'
import { fakeClock, memoryTransport, type Peer, settle, until } from '@proxy/testkit'
import { afterEach, describe, expect, test } from 'vitest'
import { capabilities, offered } from './capabilities.ts'
import { encodeGreeting, type Greeting } from './greeting.ts'
import { encodeLogin, type LoginPacket, parseLogin } from './login.ts'
import { mysql } from './mysql.ts'
import type { MysqlOptions } from './options.ts'
import { proofFor, sha2Plugin } from './proofs.ts'
import {
  commands,
  encodeAuthSwitch,
  encodeError,
  encodePacket,
  errorNumber,
  okPayload,
  parseAuthSwitch,
  unknownPlugin,
} from './wire.ts'

const scramble = Buffer.from('abcdefghijklmnopqrst')
const greeting: Greeting = {
  version: '10.11.6-MariaDB',
  connectionId: 42,
  flags: offered([], false),
  scramble,
  plugin: 'mysql_native_password',
}

interface Packet {
  readonly sequence: number
  readonly payload: Buffer
}

/** Takes whole packets from a peer. */
async function take(peer: Peer): Promise<Packet> {
  const head = await peer.take(4)
  return { sequence: head[3]!, payload: Buffer.from(await peer.take(head.readUIntLE(0, 3))) }
}

class Scene {
  readonly clock = fakeClock()
  readonly transport = memoryTransport({ clock: this.clock })
  readonly asked: RouteRequest[] = []
  readonly gateway: Gateway
  readonly server

  constructor(options: MysqlOptions, metadata: Metadata, serve: (peer: Peer) => unknown) {
    this.server = this.transport.backend(
      '10.0.0.1:3306',
      (peer) => void Promise.resolve(serve(peer)).catch(() => undefined),
    )
    this.gateway = new Gateway({
      listeners: [{ address: '127.0.0.1:0', protocol: mysql(options) }],
      transport: this.transport,
      clock: this.clock,
      guard: false,
      resolver: (request) => {
        this.asked.push(request)
        if (request.key === 'nobody') throw new ResolveError('NOT_FOUND')
        return toBackend({ endpoint: '10.0.0.1', metadata })
      },
    })
  }

  /** A client that has read the greeting. */
  async client(): Promise<{ peer: Peer; salt: Buffer }> {
    const peer = await this.transport.client(this.gateway.addresses[0]!)
    const { payload } = await take(peer)
    const at = payload.indexOf(0, 1) + 5
    return { peer, salt: Buffer.concat([payload.subarray(at, at + 8), payload.subarray(at + 27, at + 39)]) }
  }
}

let scene: Scene | undefined

afterEach(async () => {
  const closed = scene?.gateway.close()
  for (let passed = 0; passed < 4; passed++) {
    scene?.clock.advance(1_000)
    await settle()
  }
  await closed
  scene = undefined
})

async function open(
  serve: (peer: Peer) => unknown,
  options: MysqlOptions = {},
  metadata: Metadata = {},
): Promise<Scene> {
  scene = new Scene(options, metadata, serve)
  await scene.gateway.open()
  return scene
}

function login(change: Partial<LoginPacket> = {}, sequence = 1): Buffer {
  const base = { flags: offered([], false), maxPacket: 1 << 24, charset: 45, user: 'app', attributes: undefined }
  const proof = { response: Buffer.alloc(20, 1), plugin: 'mysql_native_password', database: 'alpha' }
  return encodePacket(sequence, encodeLogin({ ...base, ...proof, ...change }))
}

const say = (peer: Peer, sequence: number, payload: Buffer): boolean => peer.write(encodePacket(sequence, payload))
const greet = (peer: Peer, change: Partial<Greeting> = {}): boolean =>
  say(peer, 0, encodeGreeting({ ...greeting, ...change }))
const denied = encodeError({ number: 1045, sqlState: '28000', message: 'Access denied' })

describe('what the backend says', () => {
  test.each([1040, 1129])('in place of a greeting is the answer to the login: %i', async (number) => {
    const error = encodeError({ number, sqlState: '08004', message: 'not now' })
    const { client } = await open((peer) => say(peer, 0, error)).then(async (s) => ({ client: await s.client() }))
    client.peer.write(login())
    expect(await take(client.peer)).toEqual({ sequence: 2, payload: error })
    await client.peer.ends()
  })

  test('is numbered for the client, whatever number it had', async () => {
    const s = await open(async (peer) => {
      greet(peer)
      await take(peer)
      say(peer, 77, encodeAuthSwitch('client_ed25519', Buffer.alloc(32, 5)))
      expect((await take(peer)).sequence).toBe(78)
      say(peer, 79, denied)
    })
    const { peer } = await s.client()
    peer.write(login())
    const question = await take(peer)
    expect([question.sequence, parseAuthSwitch(question.payload).plugin]).toEqual([2, 'client_ed25519'])
    say(peer, 3, Buffer.from('my proof'))
    expect(await take(peer)).toEqual({ sequence: 4, payload: denied })
    await peer.ends()
  })

  test('in a conversation of its own is passed on, whoever is next', async () => {
    const s = await open(async (peer) => {
      greet(peer)
      await take(peer)
      say(peer, 2, encodeAuthSwitch('some_plugin', Buffer.alloc(4, 5)))
      expect(String((await take(peer)).payload)).toBe('one')
      say(peer, 4, Buffer.from('\x01hear this'))
      await settle()
      say(peer, 5, Buffer.from('\x01and answer'))
      expect(String((await take(peer)).payload)).toBe('two')
      say(peer, 7, okPayload)
    })
    const { peer } = await s.client()
    peer.write(login())
    await take(peer)
    say(peer, 3, Buffer.from('one'))
    expect((await take(peer)).sequence).toBe(4)
    expect((await take(peer)).sequence).toBe(5)
    say(peer, 6, Buffer.from('two'))
    expect(await take(peer)).toEqual({ sequence: 7, payload: okPayload })
  })
})

describe('a backend that cannot ask again', () => {
  const answering = (flags: number, refusal: (peer: Peer) => unknown) => {
    const told: LoginPacket[] = []
    const serve = async (peer: Peer): Promise<void> => {
      greet(peer, { flags, plugin: (flags & capabilities.pluginAuth) === 0 ? '' : greeting.plugin })
      const { payload } = await take(peer)
      const heard = parseLogin(withPluginFlag(payload))
      told.push(heard)
      if (heard.plugin === unknownPlugin) refusal(peer)
      else say(peer, 2, okPayload)
    }
    return { told, serve }
  }
  /** Our own reader wants the flag. */
  function withPluginFlag(payload: Buffer): Buffer {
    const copy = Buffer.from(payload)
    copy.writeUInt32LE((copy.readUInt32LE(0) | capabilities.pluginAuth) >>> 0, 0)
    return copy
  }
  const logsIn = async (s: Scene): Promise<void> => {
    const { peer } = await s.client()
    peer.write(login())
    const question = await take(peer)
    expect(parseAuthSwitch(question.payload)).toEqual({ plugin: 'mysql_native_password', scramble })
    say(peer, 3, Buffer.from('proof of twenty byte'))
    expect(await take(peer)).toEqual({ sequence: 4, payload: okPayload })
  }

  const confused = (peer: Peer): boolean =>
    say(peer, 2, encodeError({ number: 1251, sqlState: '08004', message: 'what?' }))
  const answers = ['', 'proof of twenty byte', 'proof of twenty byte']

  test('and says so is shown the answer to its greeting, and is remembered', async () => {
    const { told, serve } = answering(offered([], false), confused)
    const s = await open(serve)
    await logsIn(s)
    expect(s.server.connections).toHaveLength(2)
    await logsIn(s)
    expect(s.server.connections).toHaveLength(3)
    expect(told.map(({ plugin }) => plugin)).toEqual([unknownPlugin, greeting.plugin, greeting.plugin])
    expect(told.map(({ response }) => String(response))).toEqual(answers)
  })

  test('and closes is shown it too, but may just have been restarted', async () => {
    const { told, serve } = answering(offered([], false), (peer) => peer.destroy())
    const s = await open(serve)
    await logsIn(s)
    await logsIn(s)
    expect(told.map(({ plugin }) => plugin)).toEqual([unknownPlugin, greeting.plugin, unknownPlugin, greeting.plugin])
  })

  test('since it knows no plugins is shown it at once', async () => {
    const { told, serve } = answering(offered([], false) & ~capabilities.pluginAuth, () => undefined)
    const s = await open(serve)
    await logsIn(s)
    expect(s.server.connections).toHaveLength(1)
    expect(told).toMatchObject([{ plugin: '', response: Buffer.from('proof of twenty byte') }])
  })
})

describe('a backend that is not ready', () => {
  const shutdown = encodeError({ number: 1053, sqlState: '08S01', message: 'Server shutdown in progress' })
  const ready = async (peer: Peer): Promise<void> => {
    greet(peer)
    await take(peer)
    say(peer, 2, okPayload)
  }
  /** Time passes while the gateway tries. */
  async function passing(s: Scene, until: () => boolean): Promise<void> {
    for (let passed = 0; passed < 60 && !until(); passed++) {
      s.clock.advance(200)
      await settle(6)
    }
  }

  test.each<[string, (peer: Peer) => unknown]>([
    ['closes', (peer) => peer.end()],
    ['breaks off', (peer) => peer.reset()],
    ['is shutting down', (peer) => say(peer, 0, shutdown)],
    ['says nothing', () => undefined],
  ])('since it %s is dialled again', async (_, unready) => {
    const attempts: Peer[] = []
    const s = await open((peer) => (attempts.push(peer) < 2 ? unready(peer) : ready(peer)), {}, {})
    const { peer } = await s.client()
    peer.write(login())
    await passing(s, () => peer.receivedBytes > 90)
    expect(await take(peer)).toEqual({ sequence: 2, payload: okPayload })
    expect(attempts).toHaveLength(2)
  })

  test('in time is not, and its client hears what it said last', async () => {
    const s = await open((peer) => say(peer, 0, shutdown), { readinessTimeoutMs: 2_000 })
    const { peer } = await s.client()
    peer.write(login())
    await passing(s, () => peer.ended)
    expect(await take(peer)).toEqual({ sequence: 2, payload: shutdown })
    const dials = s.transport.dials
    expect(dials).toBeGreaterThan(2)
    await passing(s, () => false)
    expect(s.transport.dials).toBe(dials)
  })

  test('is not dialled again where that is not wanted', async () => {
    const s = await open((peer) => peer.end(), { readinessTimeoutMs: 0 })
    const { peer } = await s.client()
    peer.write(login())
    expect(errorNumber((await take(peer)).payload)).toBe(1105)
    expect(s.transport.dials).toBe(1)
  })

  test('since it is no MySQL at all is not dialled again', async () => {
    const s = await open((peer) => peer.write('HTTP/1.1 400 Bad Request\r\n\r\n'))
    const { peer } = await s.client()
    peer.write(login())
    const { payload } = await take(peer)
    expect([errorNumber(payload), String(payload)]).toEqual([1105, expect.stringContaining('the backend answered')])
    expect(s.transport.dials).toBe(1)
  })
})

describe('with credentials of the resolver', () => {
  const metadata = { user: 'svc', password: 'pw', clientUser: 'app', clientPassword: 'tok' }
  const serve = async (peer: Peer): Promise<void> => {
    greet(peer)
    const { payload } = await take(peer)
    const { user, plugin, response } = parseLogin(payload)
    const right = response.equals(proofFor('mysql_native_password', 'pw', scramble))
    say(peer, 2, user === 'svc' && plugin === 'mysql_native_password' && right ? okPayload : denied)
  }

  test('a client that proves its own is logged in by the gateway', async () => {
    const s = await open(serve, {}, metadata)
    const { peer, salt } = await s.client()
    peer.write(login({ response: proofFor('mysql_native_password', 'tok', salt) }))
    expect(await take(peer)).toEqual({ sequence: 2, payload: okPayload })
  })

  test('a client of another plugin is asked by that, and told that it was right', async () => {
    const s = await open(serve, {}, metadata)
    const { peer } = await s.client()
    peer.write(login({ plugin: sha2Plugin, response: Buffer.alloc(0) }))
    const { plugin, scramble: asked } = parseAuthSwitch((await take(peer)).payload)
    expect(plugin).toBe(sha2Plugin)
    say(peer, 3, proofFor(sha2Plugin, 'tok', asked))
    expect(await take(peer)).toEqual({ sequence: 4, payload: Buffer.of(1, 3) })
    expect(await take(peer)).toEqual({ sequence: 5, payload: okPayload })
  })

  test.each([
    ['another password', 'app', 'pw'],
    ['no password', 'app', ''],
    ['another user', 'svc', 'tok'],
  ])('a client that knows %s is refused before anybody is dialled', async (_, user, password) => {
    const s = await open(serve, {}, metadata)
    const { peer, salt } = await s.client()
    peer.write(login({ user, response: proofFor('mysql_native_password', password, salt) }))
    expect(errorNumber((await take(peer)).payload)).toBe(1045)
    await peer.ends()
    expect(s.transport.dials).toBe(0)
  })

  test('what the backend says of the gateway’s own is not told', async () => {
    const s = await open(serve, {}, { ...metadata, password: 'stale' })
    const { peer, salt } = await s.client()
    peer.write(login({ response: proofFor('mysql_native_password', 'tok', salt) }))
    const { payload } = await take(peer)
    expect([errorNumber(payload), String(payload)]).toEqual([1105, expect.not.stringContaining('denied')])
  })

  describe('and no tenant in the login', () => {
    const options = { routeByInitDb: true }
    const begin = async (s: Scene, password: string): Promise<Peer> => {
      const { peer, salt } = await s.client()
      peer.write(login({ database: undefined, response: proofFor('mysql_native_password', password, salt) }))
      expect(await take(peer)).toEqual({ sequence: 2, payload: okPayload })
      expect(s.asked).toEqual([])
      return peer
    }
    const command = (peer: Peer, kind: number, text: string): boolean =>
      say(peer, 0, Buffer.concat([Buffer.of(kind), Buffer.from(text)]))

    test.each([
      [commands.initDb, 'alpha'],
      [commands.query, 'USE `alpha`;'],
    ])('the first database that is chosen routes (command %i)', async (kind, text) => {
      const s = await open(serve, options, metadata)
      const peer = await begin(s, 'tok')
      command(peer, commands.query, 'select 1')
      expect(errorNumber((await take(peer)).payload)).toBe(1046)
      command(peer, commands.ping, '')
      expect(await take(peer)).toEqual({ sequence: 1, payload: okPayload })
      command(peer, kind, text)
      expect(await take(peer)).toEqual({ sequence: 1, payload: okPayload })
      expect(s.asked.map(({ key }) => key)).toEqual(['alpha'])
      command(peer, commands.query, 'select 1')
      await until(() => s.server.connections[0]!.received.includes('select 1'), 'the command at the backend')
    })

    test('who has proven nothing gets nowhere', async () => {
      const s = await open(serve, options, metadata)
      const peer = await begin(s, 'wrong')
      command(peer, commands.initDb, 'alpha')
      expect(errorNumber((await take(peer)).payload)).toBe(1045)
      await peer.ends()
      expect(s.transport.dials).toBe(0)
    })

    test('a tenant without credentials is no place to get to', async () => {
      const s = await open(serve, options)
      const peer = await begin(s, 'tok')
      command(peer, commands.initDb, 'alpha')
      expect(errorNumber((await take(peer)).payload)).toBe(1045)
      expect(s.transport.dials).toBe(0)
    })

    test('an unknown one is 1049', async () => {
      const s = await open(serve, options, metadata)
      const peer = await begin(s, 'tok')
      command(peer, commands.initDb, 'nobody')
      const { sequence, payload } = await take(peer)
      expect([sequence, errorNumber(payload)]).toEqual([1, 1049])
    })
  })
})

describe('the numbers of errors', () => {
  test('are behind what the client sent last', async () => {
    const s = await open(() => undefined)
    const { peer } = await s.client()
    peer.write(login({ database: 'nobody' }))
    const { sequence, payload } = await take(peer)
    expect([sequence, errorNumber(payload)]).toEqual([2, 1049])
  })

  test('count a packet that has only begun', async () => {
    const s = await open(() => undefined)
    const { peer } = await s.client()
    peer.write(login().subarray(0, 20))
    await settle()
    for (let passed = 0; passed < 24; passed++) {
      s.clock.advance(500)
      await settle(4)
    }
    const { sequence, payload } = await take(peer)
    expect([sequence, errorNumber(payload)]).toEqual([2, 1159])
  })

  test('of a client that counts wrongly', async () => {
    const s = await open(() => undefined)
    const { peer } = await s.client()
    peer.write(login({}, 3))
    expect(errorNumber((await take(peer)).payload)).toBe(1043)
  })
})
