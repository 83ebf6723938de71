import { readdirSync } from 'node:fs'
import { type AddressInfo, connect, createServer, type Server } from 'node:net'
import { once } from 'node:events'
import { type Backend, Gateway, type Resolution, type Resolver } from '@proxy/kernel'
import { breaker, cache, coldStart, health, idle, limits, retry } from '@proxy/kernel/layers'
import { tcp } from '@proxy/tcp'
import { transportUnderTest } from '@proxy/test-servers/transport'
import { liveTimers } from './soak/live-timers.ts'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'

const cycles = 2_000
const warmUp = 200
const atATime = 50

const keyOf = (bytes: Buffer): { key: string } | undefined => {
  const key = /^(.+)\n/.exec(bytes.toString())?.[1]
  return key === undefined ? undefined : { key }
}

/** Tenants of one server. A tenant sleeps until it is woken, and again when it is idle. */
class Sleepers implements Resolver {
  readonly name = 'sleepers'
  readonly #port: number
  readonly #awake = new Set<string>()
  wakes = 0
  sleeps = 0

  constructor(port: number) {
    this.#port = port
  }

  resolve({ key }: { readonly key: string }): Resolution {
    return { id: key, endpoint: `127.0.0.1:${this.#port}`, state: this.#awake.has(key) ? 'ready' : 'asleep' }
  }

  async wake(backend: Backend): Promise<Resolution> {
    this.wakes++
    this.#awake.add(backend.id)
    return backend
  }

  sleep({ id }: Backend): void {
    this.sleeps++
    this.#awake.delete(id)
  }
}

describe(`${cycles} tenants that wake, are used, and fall asleep`, () => {
  let server: Server
  let gateway: Gateway
  let sleepers: Sleepers
  let next = 0

  beforeAll(async () => {
    server = createServer((socket) => socket.on('error', () => {}).pipe(socket))
    await once(server.listen(0, '127.0.0.1'), 'listening')
    sleepers = new Sleepers((server.address() as AddressInfo).port)
    gateway = new Gateway({
      listeners: [{ address: '127.0.0.1:0', protocol: tcp({ extract: keyOf }) }],
      resolver: sleepers,
      layers: [
        limits({ maxConnectionsPerKey: 100, maxRoutesPerSecondPerKey: 100 }),
        coldStart({ wokenTtlMs: 20, failureTtlMs: 20 }),
        idle({ afterMs: 50 }),
        cache({ ttlMs: 50, negativeTtlMs: 20 }),
        retry(),
        breaker(),
        health(),
      ],
      guard: { allow: ['127.0.0.1'] },
      transport: transportUnderTest(),
    })
    await gateway.open()
  })

  afterAll(async () => {
    await gateway.close()
    server.close()
  })

  async function use(): Promise<void> {
    const socket = connect(gateway.addresses[0]!)
    const line = `tenant-${next++}\n`
    socket.write(line)
    const [bytes] = (await once(socket, 'data')) as [Buffer]
    expect(bytes.toString()).toBe(line)
    socket.end()
    await once(socket, 'close')
  }

  async function useMany(many: number): Promise<void> {
    for (let count = 0; count < many; count += atATime) await Promise.all(Array.from({ length: atATime }, use))
    await vi.waitFor(() => expect(gateway.stats().layers['idle']).toMatchObject({ busy: 0, idle: 0 }), {
      timeout: 30_000,
    })
  }

  const openFiles = (): number => readdirSync('/proc/self/fd').length

  it('leave nothing behind', async () => {
    await useMany(warmUp)
    const before = { files: openFiles(), timers: liveTimers() }
    await useMany(cycles)
    expect([sleepers.wakes, sleepers.sleeps]).toEqual([warmUp + cycles, warmUp + cycles])
    expect(gateway.stats().layers).toMatchObject({
      coldStart: { waiting: 0, waitingBytes: 0, wakes: [], failed: [] },
      cache: { size: 0 },
      breaker: { circuits: [] },
      health: { endpoints: [] },
    })
    expect(openFiles() - before.files).toBeLessThanOrEqual(2)
    expect(liveTimers() - before.timers).toBeLessThanOrEqual(2)
  }, 60_000)
})
