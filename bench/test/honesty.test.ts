// The load clients must notice every way in which a proxy can be wrong: each test puts a broken one between them and the backend.
import { constants } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer, Server as TlsServer, type TlsOptions } from 'node:tls'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Bench } from '../src/bench.ts'
import { makeCertificate } from '../src/certificate.ts'
import { idleMemory } from '../src/idle.ts'
import { hasOpensslHeaders, isInstalled } from '../src/install.ts'
import type { Address } from '../src/subject.ts'

type Break = (bytes: Buffer, client: Socket) => Buffer | undefined

const usable = process.platform === 'linux' && ['gcc', 'taskset', 'setpriv'].every(isInstalled)

describe.skipIf(!usable)('the load clients (need Linux, gcc and util-linux)', () => {
  const bench = new Bench()
  const servers = new Set<Server>()
  let tcp: Address
  let http: Address

  beforeAll(async () => {
    tcp = await bench.native.backend('tcp-backend')
    http = await bench.native.backend('http-backend')
  })

  afterAll(async () => {
    for (const server of servers) server.close()
    await bench.close()
  })

  /** A proxy that relays, but for what `onBytes` does to the bytes of the backend. undefined: it keeps them. */
  const proxy = async (backend: Address, onBytes: Break, server: Server = createServer()): Promise<number> => {
    server.on(server instanceof TlsServer ? 'secureConnection' : 'connection', (client: Socket) => {
      client.setNoDelay(true)
      const upstream = connect({ ...backend, noDelay: true })
      client.on('error', () => upstream.destroy()).on('close', () => upstream.destroy())
      upstream.on('error', () => client.destroy()).on('close', () => client.destroy())
      client.pipe(upstream)
      upstream.on('data', (bytes) => {
        const changed = onBytes(bytes, client)
        if (changed !== undefined && client.writable) client.write(changed)
      })
    })
    servers.add(server)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return (server.address() as AddressInfo).port
  }

  const load = (program: 'tcp-client' | 'http-client' | 'https-client', options: Record<string, string | number>) =>
    bench.native.measure(program, {
      connections: 4,
      warmup: 0.05,
      seconds: 0.2,
      patience: 1,
      watch: process.pid,
      ...options,
    })

  const untouched: Break = (bytes) => bytes

  const afterSome = (broken: Break): Break => {
    let left = 20
    return (bytes, client) => (left-- > 0 ? bytes : broken(bytes, client))
  }

  const flipped: Break = (bytes) => {
    const last = bytes.length - 1
    bytes[last] = (bytes[last] ?? 0) ^ 1
    return bytes
  }
  const shortened: Break = (bytes) => bytes.subarray(1)
  const repeated: Break = (bytes) => Buffer.concat([bytes, bytes])
  const lost: Break = () => undefined
  const closed: Break = (_bytes, client) => void client.destroy()

  test.each(['rr', 'rate', 'bulk'])('TCP %s: right answers give a result', async (mode) => {
    const report = await load('tcp-client', { mode, port: await proxy(tcp, untouched) })
    expect(report.bytes).toBeGreaterThan(0)
    expect(report.cpuSeconds).toBeGreaterThan(0)
  })

  test.each([
    ['rr', 'a wrong byte', flipped, 'wrong byte'],
    ['rr', 'a missing byte', shortened, 'wrong byte|got no answer'],
    ['rr', 'a repeated answer', repeated, 'more bytes than were sent|wrong byte'],
    ['rr', 'a lost answer', lost, 'got no answer for'],
    ['rr', 'a broken connection', closed, 'closed by the proxy|recv'],
    ['rate', 'a wrong byte', flipped, 'wrong byte'],
    ['rate', 'a lost answer', lost, 'got no answer for'],
    ['rate', 'a broken connection', closed, 'closed by the proxy|recv'],
    ['bulk', 'a wrong byte', flipped, 'wrong byte'],
    ['bulk', 'a missing byte', shortened, 'wrong byte'],
    ['bulk', 'a repeated stretch', repeated, 'wrong byte|more bytes'],
    ['bulk', 'a stall', lost, 'got no answer for'],
  ])('TCP %s: %s is an error', async (mode, _what, broken, reason) => {
    const run = load('tcp-client', { mode, port: await proxy(tcp, afterSome(broken)) })
    await expect(run).rejects.toThrow(new RegExp(reason))
  })

  const text =
    (change: (text: string) => string): Break =>
    (bytes) =>
      Buffer.from(change(bytes.toString('latin1')), 'latin1')

  test.each(['get', 'headers', 'get-1k', 'get-64k', 'post-1k', 'chunked'])(
    'HTTP %s: right answers give a result',
    async (request) => {
      const report = await load('http-client', { mode: 'load', request, port: await proxy(http, untouched) })
      expect(report.requests).toBeGreaterThan(0)
    },
  )

  test('HTTP, a connection for each request: right answers give a result', async () => {
    const report = await load('http-client', { mode: 'rate', request: 'get', port: await proxy(http, untouched) })
    expect(report.requests).toBeGreaterThan(0)
  })

  test.each([
    ['a wrong body', flipped, 'a wrong body'],
    ['a lost response', lost, 'got no answer for'],
    ['a broken connection', closed, 'closed by the proxy|recv'],
  ])('HTTP, a connection for each request: %s is an error', async (_what, broken, reason) => {
    const run = load('http-client', { mode: 'rate', request: 'get', port: await proxy(http, afterSome(broken)) })
    await expect(run).rejects.toThrow(new RegExp(reason))
  })

  test.each([
    ['get', 'another status', text((all) => all.replace('200 OK', '503 No')), 'answered HTTP/1.1 503'],
    ['get', 'a wrong body', flipped, 'a wrong body'],
    ['get', 'another length', text((all) => all.replace('Length: 13', 'Length: 12')), 'Content-Length 12'],
    [
      'get',
      'an end of keep-alive',
      text((all) => all.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n')),
      'ends a keep-alive',
    ],
    ['get', 'no framing', text((all) => all.replace('Content-Length', 'Content-Nothing')), 'without framing'],
    [
      'get',
      'two framings',
      text((all) => all.replace('\r\n\r\n', '\r\nTransfer-Encoding: chunked\r\n\r\n')),
      'two framings',
    ],
    ['get', 'a lost response', lost, 'got no answer for'],
    ['get', 'a broken connection', closed, 'closed by the proxy|recv'],
    ['get', 'a second response', repeated, 'bytes after the response|nobody asked for'],
    ['get-1k', 'a wrong body', flipped, 'a wrong body'],
    ['chunked', 'a wrong chunk', text((all) => all.replace('100\r\n', 'ff\r\n')), 'a wrong body'],
    ['chunked', 'a missing chunk', text((all) => all.replace(/100\r\n[^]{256}\r\n/, '')), 'a wrong body'],
  ])('HTTP %s: %s is an error', async (request, _what, broken, reason) => {
    const run = load('http-client', { mode: 'load', request, port: await proxy(http, afterSome(broken)) })
    await expect(run).rejects.toThrow(new RegExp(reason))
  })

  describe.skipIf(!hasOpensslHeaders() || !isInstalled('openssl'))('HTTPS (needs the headers of OpenSSL)', () => {
    const ending = (options: TlsOptions): ReturnType<typeof createTlsServer> => {
      const { certFile, keyFile } = bench.certificate
      return createTlsServer({ cert: readFileSync(certFile), key: readFileSync(keyFile), ...options })
    }
    const https = async (onBytes: Break, options: TlsOptions = {}): Promise<number> =>
      proxy(http, onBytes, ending(options))
    const secure = (port: number, options: Record<string, string>) =>
      load('https-client', { request: 'get', ca: bench.certificate.authorityFile, port, ...options })

    test.each([
      { mode: 'load' },
      { mode: 'load', request: 'get-64k' },
      { mode: 'rate' },
      { mode: 'rate', resume: 'yes' },
    ])('%j: right answers give a result', async (options) => {
      expect((await secure(await https(untouched), options)).requests).toBeGreaterThan(0)
    })

    test.each([
      ['load', 'a wrong body', flipped, 'a wrong body'],
      ['load', 'a lost response', lost, 'got no answer for'],
      ['load', 'a second response', repeated, 'bytes after the response|nobody asked for'],
      ['rate', 'a wrong body', flipped, 'a wrong body'],
      ['rate', 'a broken connection', closed, 'closed by the proxy|recv|TLS'],
    ])('%s: %s is an error', async (mode, _what, broken, reason) => {
      const port = await https(afterSome(broken))
      await expect(secure(port, { mode })).rejects.toThrow(new RegExp(reason))
    })

    test('a certificate that nobody vouches for is an error', async () => {
      const { certFile } = bench.certificate
      const port = await https(untouched)
      await expect(secure(port, { mode: 'load', ca: `${certFile}.none` })).rejects.toThrow('could not be set up')
      const stranger = makeCertificate(bench.folder('stranger')).authorityFile
      await expect(secure(port, { mode: 'load', ca: stranger })).rejects.toThrow('certificate verify failed')
    })

    test('a session that is not resumed is an error where it should be', async () => {
      const stubborn = { secureOptions: constants.SSL_OP_NO_TICKET }
      const port = await https(untouched, stubborn)
      await expect(secure(port, { mode: 'rate', resume: 'yes' })).rejects.toThrow(/not resumed|no session to resume/)
      expect((await secure(port, { mode: 'rate' })).requests).toBeGreaterThan(0)
    })
  })

  test('the HTTP backend refuses what is not the request that was sent', async () => {
    const ask = async (path: string, body?: string): Promise<number> => {
      const response = await fetch(
        `http://${http.host}:${http.port}${path}`,
        body === undefined ? {} : { method: 'POST', body },
      )
      return response.status
    }
    expect(await ask('/nothing')).toBe(404)
    expect(await ask('/post', 'x'.repeat(1024))).toBe(400)
    expect(await ask('/post')).toBe(400)
  })

  test('the span needs the processes it watches', async () => {
    const run = load('tcp-client', { mode: 'rr', port: tcp.port, watch: 2 ** 22 + 1 })
    await expect(run).rejects.toThrow('is gone')
  })

  test.each([
    ['tcp-client', () => tcp],
    ['http-client', () => http],
  ] as const)('%s: the memory of idle connections is read while they are open and work', async (program, backend) => {
    const port = await proxy(backend(), untouched)
    const target = { address: { host: '127.0.0.1', port }, pid: process.pid, stop: async () => undefined }
    const { value } = await idleMemory(bench, target, program, { first: 20, total: 40 })
    expect(Number.isFinite(value)).toBe(true)
  })

  test('an idle connection that the proxy closes is an error', async () => {
    const port = await proxy(tcp, (bytes, client) => {
      setTimeout(() => client.destroy(), 50)
      return bytes
    })
    const target = { address: { host: '127.0.0.1', port }, pid: process.pid, stop: async () => undefined }
    await expect(idleMemory(bench, target, 'tcp-client', { first: 5, total: 10 })).rejects.toThrow(
      'closed by the proxy',
    )
  })
})
