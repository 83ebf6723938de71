import { httpBackend } from '@proxy/test-servers'
import { ConfigError, defineGateway, loadConfig, startGateway } from '@proxy/gateway'
import { describe, expect, it } from 'vitest'
import { directoryOf } from './gateway-process.ts'

describe('startGateway', () => {
  it('runs inside of its process and drains', async () => {
    await using backend = await httpBackend('hello')
    const config = defineGateway({
      listeners: [{ address: '127.0.0.1:0', protocol: 'http' }],
      resolver: { static: { '127.0.0.1': backend.endpoint } },
      guard: { allow: [`127.0.0.1 ${backend.port}`] },
      admin: { address: '127.0.0.1:0' },
      log: { level: 'silent' },
    })
    const gateway = await startGateway(config)
    const { address } = gateway.listeners[0]!
    expect(await (await fetch(`http://127.0.0.1:${address.port}/`)).text()).toBe('hello')
    const ready = await fetch(`http://127.0.0.1:${gateway.admin!.port}/readyz`)
    expect(ready.status).toBe(200)
    await gateway.drain()
    await expect(fetch(`http://127.0.0.1:${address.port}/`)).rejects.toThrow()
  })

  it('rejects with every mistake', async () => {
    const config = { listeners: [{ address: 'x', protocol: 'htp' }], resolver: { fixed: 'a:1' } }
    const error: unknown = await startGateway(config).catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(ConfigError)
    expect((error as ConfigError).problems.map(({ path }) => path)).toEqual([
      'listeners[0].address',
      'listeners[0].protocol',
    ])
  })
})

describe('loadConfig', () => {
  it('finds the file of a directory', async () => {
    const config = { listeners: [{ address: 1, protocol: 'http' }], resolver: { fixed: 'a:1' } }
    const directory = directoryOf({ 'gateway.config.json': JSON.stringify(config) })
    expect(await loadConfig({ directory, env: {} })).toEqual(config)
  })

  it('falls back to the environment, and to nothing', async () => {
    const directory = directoryOf({})
    expect(await loadConfig({ directory, env: {} })).toBeUndefined()
    const config = await loadConfig({ directory, env: { HTTP_BACKEND_ENDPOINT: 'a:1' } })
    expect(config?.listeners.map(({ protocol }) => protocol)).toEqual(['http'])
  })
})
