import { createServer } from 'node:net'
import { findFreePort } from '@proxy/test-servers'
import { describe, expect, it } from 'vitest'
import { anyPorts, directoryOf, runGateway } from './gateway-process.ts'

describe('gateway', () => {
  it('says how it is used, and which version it is', async () => {
    const [help, version] = [await runGateway({ args: ['--help'] }), await runGateway({ args: ['--version'] })]
    expect([help.code, version.code]).toEqual([0, 0])
    expect(help.stdout).toMatch(/gateway check/)
    expect(version.stdout).toMatch(/^\d+\.\d+\.\d+\n$/)
  })

  it('exits with 2 for a command line that it does not understand', async () => {
    const { code, stderr } = await runGateway({ args: ['--confg', 'x'] })
    expect([code, stderr]).toEqual([2, 'gateway: --confg is no option. Did you mean "--config"?\n'])
  })

  it('names the port that is taken, and how to choose another', async () => {
    const taken = createServer()
    const port = await findFreePort()
    await new Promise<void>((resolve) => taken.listen(port, '127.0.0.1', resolve))
    const others = { ...anyPorts, ADMIN_PORT: String(await findFreePort()) }
    const start = (env: Record<string, string>) => runGateway({ args: ['--workers', '1'], env: { ...others, ...env } })
    const { code, stderr } = await start({ HTTP_PORT: String(port) })
    const admin = await start({ ADMIN_PORT: String(port) })
    const smtp = await start({ SMTP_PORT: String(port) })
    taken.close()
    expect(code).toBe(1)
    expect(stderr).toContain(`port ${port} is taken by another program`)
    expect(stderr).toContain(`HTTP_PORT=${port + 1} npm start`)
    expect(admin.code).toBe(1)
    expect(admin.stderr).toContain(`ADMIN_PORT=${port + 1} npm start`)
    expect(smtp.code).toBe(1)
    expect(smtp.stderr).toContain(`port ${port} is taken by another program`)
    expect(smtp.stderr).toContain(`SMTP_PORT=${port + 1} npm start (or gateway --smtp-port ${port + 1})`)
  })
})

describe('gateway check', () => {
  const check = (files: Record<string, string>, args: string[] = [], env: Record<string, string> = {}) =>
    runGateway({ args: ['check', ...args], cwd: directoryOf(files), env })

  const valid = { listeners: [{ address: '127.0.0.1:80', protocol: 'http' }], resolver: { static: { a: 'a.test:1' } } }
  const json = JSON.stringify(valid)

  it.each([
    ['gateway.config.json', json],
    ['gateway.config.mjs', `export default ${json}`],
    ['gateway.config.js', `export default ${json}`],
    ['gateway.config.ts', `interface X { a: number }\nexport default ${json} as unknown as X`],
    [
      'gateway.config.yaml',
      'listeners:\n  - address: 127.0.0.1:80\n    protocol: http\nresolver:\n  fixed: a.test:1\n',
    ],
  ])('accepts %s, and binds nothing', async (name, text) => {
    const { code, stdout } = await check({ [name]: text })
    expect([code, stdout]).toEqual([0, `${name} is valid\n`])
  })

  it('reports every mistake with its place and a remedy', async () => {
    const text = `listeners:\n  - adress: 1\n    protocol: postgress\nresolver: { fixd: x }\n`
    const { code, stderr } = await check({ 'gateway.config.yaml': text })
    expect(code).toBe(1)
    expect(stderr).toContain('gateway.config.yaml is not valid:')
    expect(stderr).toContain('listeners[0].adress: is not a known key. Did you mean "address"?')
    expect(stderr).toContain('listeners[0].address: is missing')
    expect(stderr).toContain('listeners[0].protocol: "postgress" is no protocol. Did you mean "postgres"?')
    expect(stderr).toContain('resolver.fixd: is not a known key.')
  })

  it.each([
    [{ 'gateway.config.json': '{' }, /gateway\.config\.json is not valid:\n {2}is not JSON/],
    [{ 'gateway.config.yaml': 'a: [' }, /is not YAML/],
    [{ 'gateway.config.mjs': 'throw new Error("broken")' }, /cannot be loaded: broken/],
    [{ 'gateway.config.mjs': 'export const x = 1' }, /has no default export/],
    [
      { 'gateway.config.json': JSON.stringify({ ...valid, resolver: './none.ts' }) },
      /resolver: there is no file \.\/none\.ts/,
    ],
    [
      { 'gateway.config.json': JSON.stringify({ ...valid, resolver: './r.mjs' }), 'r.mjs': 'export default 5' },
      /resolver: the default export of \.\/r\.mjs is no resolver/,
    ],
    [
      {
        'gateway.config.json': JSON.stringify({
          ...valid,
          listeners: [{ address: '127.0.0.1:80', protocol: 'mysql', options: { serverVersion: 'new' } }],
        }),
      },
      /listeners\[0\]: mysql\(\): serverVersion/,
    ],
    [
      {
        'gateway.config.json': JSON.stringify({
          ...valid,
          listeners: [{ address: '127.0.0.1:80', protocol: 'http', tls: { cert: 'no.pem', key: 'no.pem' } }],
        }),
      },
      /listeners\[0\]: .*no\.pem/,
    ],
  ])('finds what only loading shows: %j', async (files, expected) => {
    const { code, stderr } = await check(files)
    expect(stderr).toMatch(expected)
    expect(code).toBe(1)
  })

  it('checks a file that is named, and says when it is not there', async () => {
    expect((await check({ 'my.json': json }, ['--config', 'my.json'])).stdout).toBe('my.json is valid\n')
    const { code, stderr } = await check({}, ['-c', 'my.json'])
    expect([code, stderr]).toEqual([1, 'gateway: my.json is not valid:\n  there is no such file.\n'])
  })

  it('checks the environment', async () => {
    const { stdout } = await check({ 'r.ts': 'export default () => "a.test:1"' }, [], { PROXY_RESOLVER: 'r.ts' })
    expect(stdout).toBe('environment is valid\n')
    const bad = await check({}, [], { HTTP_WORKERS: '-1' })
    expect([bad.code, bad.stderr]).toEqual([1, expect.stringContaining('HTTP_WORKERS: must be a whole number')])
  })
})
