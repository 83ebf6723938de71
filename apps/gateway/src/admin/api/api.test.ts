import { connect } from 'node:net'
import { once } from 'node:events'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { operateTopics } from '../../fleet/operations.ts'
import { AdminServer } from '../admin.ts'
import { fleetOf, workerWith } from './__fixtures__/fleet.ts'
import { Operator } from './operator.ts'

const token = 'a-token-of-some-length'
const live = {
  bytes: { http: 5 },
  tenants: [{ key: 'alpha', protocols: ['http'], connections: 3, bytesFromClient: 1, bytesToClient: 2 }],
  complete: true,
}

const answers: Readonly<Record<string, unknown>> = {
  [operateTopics.tenants]: live,
  [operateTopics.sessions]: [{ session: '1-1', ageMs: 5 }],
  [operateTopics.kill]: 2,
}

describe('the API', () => {
  const asked: [string, unknown][] = []
  const drained = vi.fn(() => Promise.resolve())
  let operator: Operator
  let admin: AdminServer
  let port: number

  beforeEach(async () => {
    asked.length = 0
    drained.mockClear()
    const fleet = fleetOf([workerWith(1, {}), workerWith(2, {})])
    operator = new Operator({
      snapshot: () => Promise.resolve(fleet),
      drain: drained,
      ask: (topic, message) => {
        asked.push([topic, message])
        return Promise.resolve([answers[topic], answers[topic]])
      },
    })
    const source = { ready: true, operator, snapshot: () => Promise.resolve(fleet) }
    admin = new AdminServer(source, { token, hosts: [] })
    port = (await admin.open({ host: '127.0.0.1', port: 0 })).port
  })

  afterEach(() => admin.close())

  const get = (path: string, init?: RequestInit): Promise<Response> =>
    fetch(`http://127.0.0.1:${port}/api/v1${path}`, init)
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
  const post = (path: string, body: unknown, more: Record<string, string> = {}): Promise<Response> =>
    get(path, {
      method: 'POST',
      headers: { ...headers, ...more },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    })

  it('adds the workers up', async () => {
    expect(await (await get('/overview')).json()).toMatchObject({
      phase: 'open',
      connections: 4,
      listeners: [{ name: 'http', accepted: 20, connections: 4 }],
      workers: [{ worker: 1 }, { worker: 2 }],
    })
    expect(await (await get('/tenants')).json()).toEqual({
      total: 1,
      complete: true,
      tenants: [
        expect.objectContaining({
          key: 'alpha',
          protocols: ['http'],
          connections: 6,
          routes: 20,
          bytesFromClient: 202,
        }),
      ],
    })
    expect(await (await get('/latency')).json()).toMatchObject({ all: { route: { count: 2, sumMs: 6 } } })
  })

  it('looks at the workers once for many who ask', async () => {
    await Promise.all(['/overview', '/tenants', '/latency', '/circuits'].map((path) => get(path)))
    expect(asked).toHaveLength(1)
  })

  it('asks every worker for its sessions, the oldest first, with what is given', async () => {
    const body = await (await get('/sessions?key=alpha&listener=&limit=1')).json()
    expect(body).toEqual({ sessions: [{ session: '1-1', ageMs: 5 }] })
    expect(asked).toEqual([[operateTopics.sessions, { filter: { key: 'alpha' }, limit: 1 }]])
  })

  it.each(['/sessions?limit=0', '/sessions?limit=501', '/tenants?limit=x', '/tenants?order=name'])(
    'refuses %s',
    async (path) => {
      expect((await get(path)).status).toBe(400)
    },
  )

  it('acts with the token, and with nothing else', async () => {
    for (const path of ['/drain', '/purge', '/kill']) {
      expect((await post(path, { key: 'alpha' }, { authorization: 'Bearer x' })).status).toBe(401)
      const refused = await post(path, { key: 'alpha' }, { origin: 'http://evil.example' })
      expect([refused.status, await refused.json()]).toEqual([403, { error: 'foreign origin' }])
      expect((await get(path, { headers })).status).toBe(405)
    }
    expect(asked).toEqual([])
    expect(drained).not.toHaveBeenCalled()
  })

  it('purges and kills in every worker, and tells so', async () => {
    expect(await (await post('/purge', { key: 'alpha' })).json()).toEqual({ key: 'alpha', workers: 2 })
    expect(await (await post('/kill', { session: '1-1' })).json()).toEqual({ killed: 4 })
    expect(asked).toEqual([
      [operateTopics.purge, 'alpha'],
      [operateTopics.kill, { session: '1-1' }],
    ])
    expect(operator.events.after(0).map(({ facts }) => facts)).toEqual([
      { action: 'purge', key: 'alpha' },
      { action: 'kill', session: '1-1', killed: 4 },
    ])
  })

  it.each<[string, unknown]>([
    ['/drain', {}],
    ['/drain', { confirm: true }],
    ['/purge', {}],
    ['/purge', { key: 7 }],
    ['/kill', {}],
    ['/kill', { key: 'a', listener: 'http' }],
    ['/kill', []],
    ['/kill', '{'],
  ])('does nothing for %s %j', async (path, body) => {
    const response = await post(path, body)
    expect([response.status, drained.mock.calls.length, asked.length]).toEqual([400, 0, 0])
    expect(await response.json()).toHaveProperty('error')
  })

  it('takes no large body, and none that a form could send', async () => {
    expect((await post('/purge', { key: 'x'.repeat(5_000) })).status).toBe(413)
    expect((await post('/purge', { key: 'x' }, { 'content-type': 'text/plain' })).status).toBe(415)
    expect(asked).toEqual([])
  })

  it('drains when that is meant', async () => {
    expect((await post('/drain', { confirm: 'drain' })).status).toBe(202)
    expect(drained).toHaveBeenCalledOnce()
  })

  describe('/events', () => {
    async function follow(
      more: Record<string, string> = {},
    ): Promise<{ text: (until: RegExp) => Promise<string>; end: () => void }> {
      const control = new AbortController()
      const response = await get('/events', { headers: more, signal: control.signal })
      expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8')
      const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader()
      let text = ''
      const read = async (until: RegExp): Promise<string> => {
        while (!until.test(text)) text += (await reader.read()).value ?? ''
        return text
      }
      return { text: read, end: () => control.abort() }
    }

    it('tells what is, what was and what happens', async () => {
      operator.events.add('reload', { ok: true })
      const stream = await follow()
      expect(await stream.text(/event: snapshot\ndata: .*\n\n/)).toMatch(/event: history\n[^]*"kind":"reload"/)
      operator.announced(2, { kind: 'wake-start', facts: { backend: 'pg\n\nevent: x', key: 'a' } })
      expect(await stream.text(/wake-start/)).not.toContain('\nevent: x')
      stream.end()
    })

    it('tells whoever comes back what it has missed, and no more', async () => {
      for (const kind of ['one', 'two', 'three']) operator.events.add(kind)
      const stream = await follow({ 'last-event-id': '2' })
      const text = await stream.text(/"kind":"three"/)
      expect(text).not.toMatch(/"kind":"(one|two)"/)
      stream.end()
    })

    it('serves so many clients, and others when those are gone', async () => {
      const streams = await Promise.all(Array.from({ length: 20 }, () => follow()))
      expect((await get('/events')).status).toBe(503)
      streams[0]!.end()
      await vi.waitFor(async () => {
        const response = await get('/events', { signal: AbortSignal.timeout(1_000) })
        expect(response.status).toBe(200)
        await response.body?.cancel()
      })
      for (const stream of streams) stream.end()
    })

    it('drops a client that does not read', async () => {
      const socket = connect(port, '127.0.0.1')
      socket.write(`GET /api/v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`)
      await once(socket, 'readable')
      const closed = once(socket, 'close')
      const filler = 'x'.repeat(200_000)
      // Not read, it takes what the system's buffers hold, and not one event more.
      const timer = setInterval(() => operator.events.add('noise', { filler }), 5)
      const written = setTimeout(() => socket.resume(), 600)
      await closed.finally(() => clearInterval(timer))
      clearTimeout(written)
    })
  })
})
