import { createHash } from 'node:crypto'
import { describeNeeding, run, runOrThrow } from '@proxy/test-servers'
import { expect, it } from 'vitest'
import { http } from '../src/index.ts'
import { gateway, nodeBackend } from './setting.ts'

/** Streams events for so long; `HTTP_SSE_MS=120000` for two minutes. */
const sseMs = Number(process.env['HTTP_SSE_MS'] ?? 1_500)

describeNeeding(['curl'], 'curl', () => {
  it.each([['--http1.1'], ['--http1.0'], ['--http2-prior-knowledge']])(
    '%s: GET, POST, HEAD and an error',
    async (version) => {
      const port = await nodeBackend((req, res) => {
        let size = 0
        req.on('data', (chunk: Buffer) => {
          size += chunk.length
        })
        req.on('end', () => res.end(`${req.method} ${size}`))
      })
      const { url } = await gateway(port, { h2c: true })
      const curl = async (...args: string[]): Promise<string> =>
        (await runOrThrow('curl', ['-sS', '-m', '20', version, ...args])).stdout
      expect(await curl(url)).toBe('GET 0')
      expect(await curl(url, '--data-binary', 'x'.repeat(5_000))).toBe('POST 5000')
      if (version === '--http1.1') {
        const chunked = ['-H', 'Transfer-Encoding: chunked', '--data-binary', 'x'.repeat(5_000)]
        expect(await curl(url, ...chunked)).toBe('POST 5000')
      }
      expect(await curl(url, '-I')).toMatch(/^HTTP\/\d(\.\d)? 200/)
      expect(await curl(url, '-H', 'Host: nobody', '-i')).toMatch(/404.*application\/problem\+json.*no such tenant/s)
    },
  )

  it('uploads with Expect: 100-continue', async () => {
    const port = await nodeBackend((req, res) => {
      const hash = createHash('sha256')
      req.on('data', (chunk: Buffer) => hash.update(chunk))
      req.on('end', () => res.end(`${req.headers.expect} ${hash.digest('hex')}`))
    })
    const { url } = await gateway(port)
    const body = Buffer.alloc(3_000_000, 'abcdefg')
    const args = ['-sS', '-m', '20', '--http1.1', '-H', 'Expect: 100-continue', '--data-binary', '@-', url]
    const { stdout } = await runOrThrow('curl', args, { input: body.toString('latin1') })
    expect(stdout).toBe(`100-continue ${createHash('sha256').update(body).digest('hex')}`)
  })

  it(`receives server-sent events for ${sseMs} ms`, { timeout: sseMs + 30_000 }, async () => {
    let sent = 0
    const port = await nodeBackend((_req, res) => {
      res.writeHead(200, { 'content-type': 'text/event-stream' })
      const timer = setInterval(() => res.write(`data: ${sent++}\n\n`), 100)
      setTimeout(() => {
        clearInterval(timer)
        res.end()
      }, sseMs)
    })
    const { url } = await gateway(port, { requestTimeoutMs: 500, bodyTimeoutMs: 500 })
    const { stdout } = await runOrThrow('curl', ['-sS', '-N', url])
    expect(stdout).toBe(Array.from({ length: sent }, (_, i) => `data: ${i}\n\n`).join(''))
  })
})

describeNeeding(['wrk'], 'wrk', () => {
  it('gets every answer, with pipelines of keep-alive connections', { timeout: 30_000 }, async () => {
    const port = await nodeBackend((_req, res) => res.end('hello'))
    const { url, errors } = await gateway(port)
    const { stdout } = await runOrThrow('wrk', ['-t1', '-c32', '-d2s', url])
    expect(stdout).toMatch(/[1-9]\d* requests in/)
    expect(stdout).not.toMatch(/Socket errors|Non-2xx/)
    expect(errors).toEqual([])
  })
})

describeNeeding(['wrk'], 'reloads under load', () => {
  it('fail no request', { timeout: 30_000 }, async () => {
    const port = await nodeBackend((_req, res) => res.end('hello'))
    const { url, port: front, gateway: running, errors } = await gateway(port)
    const load = runOrThrow('wrk', ['-t1', '-c16', '-d3s', url])
    let loading = true
    void load.finally(() => {
      loading = false
    })
    let reloads = 0
    while (loading) {
      await running.reload({
        listeners: [{ address: `127.0.0.1:${front}`, protocol: http() }],
        resolver: () => `127.0.0.1:${port}`,
        guard: false,
      })
      reloads++
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
    const { stdout } = await load
    expect(stdout).toMatch(/[1-9]\d* requests in/)
    expect(stdout).not.toMatch(/Socket errors|Non-2xx/)
    expect(reloads).toBeGreaterThan(5)
    expect(errors).toEqual([])
  })
})

describeNeeding(['h2load'], 'h2load', () => {
  it.each([['--h1'], ['']])('%s gets every answer', { timeout: 30_000 }, async (version) => {
    const port = await nodeBackend((_req, res) => res.end('hello'))
    const { url } = await gateway(port, { h2c: true })
    const args = ['-n', '2000', '-c', '8', '-m', version === '' ? '16' : '1', ...(version === '' ? [] : [version]), url]
    const { stdout, stderr } = await run('h2load', args)
    expect(stdout + stderr).toMatch(/2000 succeeded, 0 failed, 0 errored, 0 timeout/)
  })
})
