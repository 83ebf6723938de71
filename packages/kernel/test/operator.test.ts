import { once } from 'node:events'
import { afterEach, describe, expect, it } from 'vitest'
import { lines, Scene } from './scene.ts'
import type { HookMap } from '../src/hooks.ts'
import type { Gateway } from '../src/gateway.ts'
import { cache, coldStart, idle, limits } from '../src/layers/index.ts'

const scene = new Scene()
afterEach(() => scene.close())

/** Two listeners, `one` and `two`, for any key. */
async function opened(): Promise<Gateway> {
  const port = await scene.echo()
  return scene.gateway({
    listeners: [
      { address: '127.0.0.1:0', protocol: lines(), name: 'one' },
      { address: '127.0.0.1:0', protocol: lines(), name: 'two' },
    ],
    resolver: () => `127.0.0.1:${port}`,
    layers: [limits({ maxConnectionsPerKey: 9 }), coldStart(), idle(), cache()],
  })
}

describe('sessions', () => {
  it('shows what is open, oldest first, and no more than asked for', async () => {
    const gateway = await opened()
    const socket = scene.client(gateway)
    await scene.ask(socket, 'alpha')
    await scene.ask(scene.client(gateway, 1), 'beta')
    expect(gateway.sessions().map(({ key, listener, phase }) => [key, listener, phase])).toEqual([
      ['alpha', 'one', 'relaying'],
      ['beta', 'two', 'relaying'],
    ])
    expect(gateway.sessions()[0]).toMatchObject({
      protocol: 'lines',
      client: { host: '127.0.0.1', port: socket.localPort },
      bytesFromClient: 6,
      bytesToClient: 6,
    })
    expect(gateway.sessions({}, 1)).toHaveLength(1)
  })

  it('shows one that has not said anything yet', async () => {
    const gateway = await opened()
    const open = Promise.withResolvers<void>()
    gateway.hooks.on('session:open', () => open.resolve())
    scene.client(gateway)
    await open.promise
    expect(gateway.sessions()).toMatchObject([{ key: undefined, phase: 'opening', bytesFromClient: 0 }])
  })

  it('are found by all that is given', async () => {
    const gateway = await opened()
    for (const [key, listener] of [
      ['alpha', 0],
      ['alpha', 1],
      ['beta', 1],
    ] as const) {
      await scene.ask(scene.client(gateway, listener), key)
    }
    const found = (filter: Parameters<Gateway['sessions']>[0]): number => gateway.sessions(filter).length
    expect([found({ key: 'alpha' }), found({ listener: 'two' }), found({ key: 'alpha', listener: 'two' })]).toEqual([
      2, 2, 1,
    ])
    expect(found({ key: 'gamma' })).toBe(0)
    const [first] = gateway.sessions()
    expect(gateway.sessions({ session: first?.session ?? '' })).toEqual([expect.objectContaining({ key: 'alpha' })])
  })
})

describe('kill', () => {
  it('ends those that match and no others, and says how many', async () => {
    const gateway = await opened()
    const ends: HookMap['session:end'][] = []
    const ended = Promise.withResolvers<void>()
    gateway.hooks.on('session:end', (event) => {
      ends.push(event)
      ended.resolve()
    })
    const [victim, other] = [scene.client(gateway), scene.client(gateway)]
    await scene.ask(victim, 'alpha')
    await scene.ask(other, 'beta')
    const closed = once(victim, 'close')
    expect(gateway.kill({ key: 'alpha' })).toBe(1)
    await Promise.all([closed, ended.promise])
    expect(ends).toMatchObject([{ key: 'alpha', reason: 'killed', outcome: 'relayed' }])
    expect(await scene.ask(other, 'still here')).toBe('still here')
    expect(gateway.kill({ key: 'alpha' })).toBe(0)
  })

  it('tells a client that was not served yet, in the words of its protocol', async () => {
    const waiting = Promise.withResolvers<string>()
    const asked = Promise.withResolvers<void>()
    const gateway = await scene.gateway({
      resolver: () => {
        asked.resolve()
        return waiting.promise
      },
    })
    const answer = scene.ask(scene.client(gateway), 'alpha')
    await asked.promise
    expect(gateway.kill({})).toBe(1)
    expect(await answer).toBe('ERR PROXY_KILLED')
  })
})

it('shows what the layers know, by their names, as JSON has it', async () => {
  const gateway = await opened()
  await scene.ask(scene.client(gateway), 'alpha')
  await scene.ask(scene.client(gateway), 'alpha')
  const { layers } = gateway.stats()
  expect(JSON.parse(JSON.stringify(layers))).toEqual(layers)
  expect(layers).toEqual({
    limits: { keys: 1 },
    coldStart: { waiting: 0, waitingBytes: 0, wakes: [], failed: [], woken: 0, failures: 0 },
    idle: { busy: 1, idle: 0 },
    cache: { size: 1, hits: 1, misses: 1, negativeHits: 0 },
  })
})
