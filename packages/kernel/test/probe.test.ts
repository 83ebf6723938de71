import { once } from 'node:events'
import type { Socket } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { lines, Scene } from './scene.ts'
import { never } from '../src/__fixtures__/request.ts'
import { backend } from '../src/backend.ts'
import type { DialRequest, Layer, LayerContext, ProbeTarget, Protocol } from '../src/contracts.ts'
import { GatewayError } from '../src/errors.ts'

const scene = new Scene()
afterEach(() => scene.close())

/** Asks a question, and takes any line but `no` for an answer. */
const asking: Partial<Protocol> = {
  async ready(upstream) {
    await upstream.write('?\n')
    const answer = await upstream.read((bytes) => bytes.indexOf(10) + 1)
    if (answer.toString() === 'no\n') throw new GatewayError('PROXY_BACKEND_NOT_READY')
  },
}

interface Bench {
  readonly seen: readonly DialRequest[]
  probe(port: number, signal?: AbortSignal, more?: Partial<ProbeTarget>): Promise<void>
}

async function bench(protocol: Protocol, layers: readonly Layer[] = []): Promise<Bench> {
  let context: LayerContext | undefined
  const seen: DialRequest[] = []
  const outer: Layer = { name: 'outer', dial: () => () => Promise.reject(new Error('outside of the one who asks')) }
  const prober: Layer = { name: 'prober', setup: (given) => void (context = given) }
  const inner: Layer = {
    name: 'inner',
    dial: (next) => (request, signal) => {
      seen.push(request)
      return next(request, signal)
    },
  }
  await scene.gateway({
    listeners: [{ address: '127.0.0.1:0', protocol, name: 'door' }],
    resolver: () => 'none:1',
    layers: [outer, prober, inner, ...layers],
  })
  return {
    seen,
    probe: async (port, signal = never, more = {}) => {
      const target = {
        backend: backend(`127.0.0.1:${port}`),
        key: 'alpha',
        listener: 'door',
        protocol: 'lines',
        ...more,
      }
      await context?.probe(target, signal)
    },
  }
}

/** A server, and its next connection. */
async function serving(onSocket: (socket: Socket) => void): Promise<{ port: number; accepted: Promise<Socket> }> {
  const accepted = Promise.withResolvers<Socket>()
  const port = await scene.server((socket) => {
    accepted.resolve(socket)
    onSocket(socket)
  })
  return { port, accepted: accepted.promise }
}

async function demandClosed(accepted: Promise<Socket>): Promise<void> {
  const socket = await accepted
  socket.resume()
  if (!socket.readableEnded && !socket.destroyed) await Promise.race([once(socket, 'end'), once(socket, 'close')])
}

describe('a probe', () => {
  it('of a protocol without ready asks for no more than a connection', async () => {
    const { probe } = await bench(lines())
    const { port, accepted } = await serving(() => {})
    await probe(port)
    await demandClosed(accepted)
  })

  it('asks the protocol, and closes what it has dialled', async () => {
    const { probe } = await bench(lines(asking))
    const { port, accepted } = await serving((socket) => socket.write('yes\n'))
    await probe(port)
    await demandClosed(accepted)
  })

  it('closes it also when the answer is no', async () => {
    const { probe } = await bench(lines(asking))
    const { port, accepted } = await serving((socket) => socket.write('no\n'))
    await expect(probe(port)).rejects.toMatchObject({ code: 'PROXY_BACKEND_NOT_READY', retryable: true })
    await demandClosed(accepted)
  })

  it('fails with what the dial fails with, and when the backend closes', async () => {
    const { probe } = await bench(lines(asking))
    const { port } = await serving((socket) => socket.destroy())
    await expect(probe(port)).rejects.toMatchObject({ code: 'PROXY_BACKEND_CLOSED', retryable: true })
    await expect(probe(1)).rejects.toMatchObject({ code: 'PROXY_DIAL_REFUSED' })
  })

  it('ends with its signal, whatever the backend does', async () => {
    const { probe } = await bench(lines(asking))
    const { port, accepted } = await serving(() => {})
    const abort = new AbortController()
    const probing = probe(port, abort.signal)
    await accepted
    abort.abort(new GatewayError('PROXY_BACKEND_TIMEOUT'))
    await expect(probing).rejects.toMatchObject({ code: 'PROXY_BACKEND_TIMEOUT' })
    await demandClosed(accepted)
  })

  it('dials through the layers inside, on the own account of the gateway, the endpoint that is meant', async () => {
    const { probe, seen } = await bench(lines(asking))
    const { port } = await serving((socket) => socket.write('yes\n'))
    const several = backend({ endpoint: ['127.0.0.1:1', `127.0.0.1:${port}`], timeoutMs: 1_234 })
    await probe(port, never, { backend: several, endpoint: several.endpoints[1] })
    expect(seen).toMatchObject([
      { session: undefined, client: undefined, key: 'alpha', listener: 'door', protocol: 'lines', endpoint: { port } },
    ])
    expect(seen[0]?.connectTimeoutMs).toBe(1_234)
  })

  it('with a protocol that the listener does not speak asks for no more than a connection', async () => {
    const { probe } = await bench(lines(asking))
    const { port } = await serving(() => {})
    await probe(port, never, { protocol: 'other' })
  })
})
