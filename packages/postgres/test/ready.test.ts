import { backend, type LayerContext, type Resolution } from '@proxy/kernel'
import { certificateAuthority, type PostgresServer, postgresServer } from '@proxy/test-servers'
import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openGateway, to } from './setup.ts'

const never = new AbortController().signal
const authority = certificateAuthority('backends')

let server: PostgresServer

beforeAll(async () => {
  server = await postgresServer({ databases: ['alpha'], tls: authority.server({ name: 'alpha' }) })
})

afterAll(async () => {
  await server.stop()
  authority.dispose()
})

/** Probes as a layer does, through a gateway that nobody else uses. */
async function prober(target: PostgresServer) {
  let context: LayerContext | undefined
  const layer = { name: 'prober', setup: (given: LayerContext) => void (context = given) }
  const gateway = await openGateway(to(target), { layers: [layer] })
  return {
    hooks: gateway.gateway.hooks,
    probe: (key = 'alpha', resolution: Resolution = target.endpoint, signal = never) =>
      context!.probe({ backend: backend(resolution), key, listener: 'postgresql', protocol: 'postgresql' }, signal),
    [Symbol.asyncDispose]: () => gateway[Symbol.asyncDispose](),
  }
}

async function sessions(): Promise<number> {
  const client = new pg.Client({
    host: '127.0.0.1',
    port: server.port,
    user: 'demo',
    password: 'demo',
    database: 'alpha',
  })
  await client.connect()
  const { rows } = await client.query(
    `select count(*)::int as n from pg_stat_activity where pid <> pg_backend_pid() and backend_type = 'client backend'`,
  )
  await client.end()
  return rows[0].n
}

test('a server that serves is ready, whatever the key, and has no session of it left', async () => {
  await using gateway = await prober(server)
  for (let i = 0; i < 20; i++) await gateway.probe()
  await gateway.probe('nobody')
  await gateway.probe('')
  await expect.poll(sessions).toBe(0)
})

test('so is one behind TLS that the protocol negotiates', async () => {
  await using gateway = await prober(server)
  await gateway.probe('alpha', { endpoint: server.endpoint, tls: { mode: 'negotiated', ca: authority.cert } })
  const distrusted = gateway.probe('alpha', { endpoint: server.endpoint, tls: 'negotiated' })
  await expect(distrusted).rejects.toMatchObject({ code: 'PROXY_BACKEND_TLS' })
})

test('one in recovery is not until it serves', async () => {
  const crashed = await postgresServer({ databases: ['alpha'] })
  await using gateway = await prober(crashed)
  await crashed.halt('immediate')
  await expect(gateway.probe()).rejects.toMatchObject({ code: 'PROXY_DIAL_REFUSED' })
  const restarted = crashed.start()
  const failures = new Set<string>()
  for (let ready = false; !ready; ) {
    ready = await gateway.probe().then(
      () => true,
      (error: { code: string }) => {
        failures.add(error.code)
        return false
      },
    )
  }
  await gateway.probe()
  await restarted
  expect([...failures].filter((code) => !['PROXY_DIAL_REFUSED', 'PROXY_BACKEND_NOT_READY'].includes(code))).toEqual([])
  await crashed.stop()
})

test('one that shuts down is not', async () => {
  const leaving = await postgresServer({ databases: ['alpha'] })
  await using gateway = await prober(leaving)
  // Smart shutdown waits for this session, and takes no other.
  const client = new pg.Client({
    host: '127.0.0.1',
    port: leaving.port,
    user: 'demo',
    password: 'demo',
    database: 'alpha',
  })
  client.on('error', () => undefined)
  await client.connect()
  process.kill(leaving.pid!, 'SIGTERM')
  await expect
    .poll(() => gateway.probe().catch((error: { code: string }) => error.code), { timeout: 10_000 })
    .toBe('PROXY_BACKEND_NOT_READY')
  await client.end()
  await leaving.stop()
})

test('one that never answers is given up with the signal', async () => {
  await using gateway = await prober(server)
  const stop = new AbortController()
  process.kill(server.pid!, 'SIGSTOP')
  try {
    gateway.hooks.on('dial:end', () => stop.abort())
    await expect(gateway.probe('alpha', server.endpoint, stop.signal)).rejects.toMatchObject({
      code: 'PROXY_CLIENT_GONE',
    })
  } finally {
    process.kill(server.pid!, 'SIGCONT')
  }
})
