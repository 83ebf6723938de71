import { existsSync } from 'node:fs'
import { connect } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { once } from 'node:events'
import { expect, test } from 'vitest'
import {
  certificateAuthority,
  describeNeeding,
  echo,
  findFreePort,
  httpBackend,
  launch,
  postgresServer,
  redisServer,
  run,
  runOrThrow,
  tcpBackend,
} from '../src/index.ts'

const query = async (url: string, sql: string): Promise<string> =>
  (await runOrThrow('psql', [url, '-AtXc', sql])).stdout.trim()

describeNeeding(['psql'], 'postgresServer', () => {
  test('serves its databases to its users', async () => {
    await using server = await postgresServer({ databases: ['alpha', 'beta'] })
    expect(await query(server.url('alpha'), 'select current_database(), current_user')).toBe('alpha|demo')
    expect(await query(server.url('beta'), 'select current_database()')).toBe('beta')
    const denied = await run('psql', [
      server.url('alpha', { user: { name: 'demo', password: 'wrong' } }),
      '-c',
      'select 1',
    ])
    expect(denied.stderr).toContain('password authentication failed')
  })

  test('keeps its data and port over a restart, a crash included', async () => {
    await using server = await postgresServer({ databases: ['alpha'] })
    await query(server.url('alpha'), 'create table t as select 42 as answer')
    await server.restart()
    expect(await query(server.url('alpha'), 'select answer from t')).toBe('42')
    await server.halt('immediate')
    expect(server.running).toBe(false)
    await server.start()
    expect(await query(server.url('alpha'), 'select answer from t')).toBe('42')
  })

  test('waits to be started', async () => {
    await using server = await postgresServer({ databases: ['alpha'], start: false })
    expect((await run('psql', [server.url('alpha'), '-c', 'select 1'])).stderr).toContain('Connection refused')
    await server.start()
    expect(await query(server.url('alpha'), 'select 1')).toBe('1')
  })

  test('returns before it is ready', async () => {
    await using server = await postgresServer({ databases: ['alpha'], readyLater: true })
    await server.ready
    expect(await query(server.url('alpha'), 'select 1')).toBe('1')
  })

  test('says in the error what the server logged', async () => {
    await expect(postgresServer({ settings: { no_such_setting: '1' } })).rejects.toThrow('no_such_setting')
    await expect(postgresServer({ databases: ['twice', 'twice'] })).rejects.toThrow('already exists')
  })
})

describeNeeding(['psql', 'openssl'], 'postgresServer with TLS', () => {
  test('asks for a client certificate', async () => {
    const ca = certificateAuthority()
    const tls = { ...ca.server({ name: 'db' }), clientCa: ca.cert }
    await using server = await postgresServer({ databases: ['alpha'], tls, hba: ['hostssl all all 127.0.0.1/32 cert'] })
    const client = ca.client({ name: 'demo' })
    const url = `${server.url('alpha')}?sslmode=verify-full&sslrootcert=${ca.certFile}`
    const withCert = `${url}&sslcert=${client.certFile}&sslkey=${client.keyFile}`
    expect(await query(withCert, 'select ssl from pg_stat_ssl where pid = pg_backend_pid()')).toBe('t')
    expect((await run('psql', [url, '-c', 'select 1'])).stderr).toContain('valid client certificate')
  })
})

describeNeeding(['openssl'], 'certificateAuthority', () => {
  test('issues certificates that verify', async () => {
    const ca = certificateAuthority()
    const leaf = ca.server({ name: 'web', altNames: ['*.example.test', '127.0.0.1', '::1'] })
    const { createServer } = await import('node:tls')
    const server = createServer({ cert: leaf.cert, key: leaf.key }, (socket) => socket.end('hello'))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as { port: number }
    const socket = connectTls({ port, host: '127.0.0.1', servername: 'a.example.test', ca: ca.cert })
    await once(socket, 'secureConnect')
    expect(socket.getPeerCertificate().subjectaltname).toBe(
      'DNS:*.example.test, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1',
    )
    socket.destroy()
    server.close()
    ca.dispose()
    expect(existsSync(leaf.certFile)).toBe(false)
  })
})

describeNeeding(['redis-server'], 'redisServer', () => {
  test('answers', async () => {
    await using server = await redisServer()
    const socket = connect(server.port, server.host).setEncoding('utf8')
    socket.write('PING\r\n')
    expect(await once(socket, 'data')).toEqual(['+PONG\r\n'])
    socket.destroy()
  })
})

test('httpBackend says its name and records requests', async () => {
  await using backend = await httpBackend('alpha')
  const answer = await fetch(`http://${backend.endpoint}/path`)
  expect(await answer.text()).toBe('alpha')
  expect(backend.requests.map((request) => request.url)).toEqual(['/path'])
})

test('tcpBackend echoes, the half-close included', async () => {
  await using backend = await tcpBackend(echo)
  const socket = connect({ port: backend.port, host: backend.host, allowHalfOpen: true }).setEncoding('utf8')
  socket.end('bytes')
  expect(await once(socket, 'data')).toEqual(['bytes'])
  await once(socket, 'end')
})

test('findFreePort finds a port that can be bound', async () => {
  await using backend = await tcpBackend(echo)
  const ports = await Promise.all([findFreePort(), findFreePort()])
  expect(ports).not.toContain(backend.port)
  for (const port of ports) expect(port).toBeGreaterThan(1024)
})

test('a launched process is waited for by what it prints, and stopped', async () => {
  const child = launch(process.execPath, ['-e', 'console.log("up " + 7); setInterval(() => {}, 1000)'])
  expect((await child.waitFor(/up (\d)/))[1]).toBe('7')
  expect(child.running).toBe(true)
  expect(await child.stop()).toEqual({ code: null, signal: 'SIGTERM' })
  await expect(child.waitFor(/never/)).rejects.toThrow('ended (SIGTERM) before')
  await expect(runOrThrow(process.execPath, ['-e', 'console.error("why"); process.exit(3)'])).rejects.toThrow('why')
})

test('a program that does not exist rejects', async () => {
  await expect(run('no-such-program')).rejects.toThrow('ENOENT')
})
