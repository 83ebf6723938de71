import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { declaredResolver, declaredResolvers } from './declared-resolvers.ts'
import type { LoadedConfig } from './load.ts'
import { validate } from './validate.ts'

const listeners = [{ address: ':0', protocol: 'http' }]
const problems = (resolver: unknown) => validate({ listeners, resolver })
const loaded = {
  config: { listeners: [], resolver: '' },
  source: 'x',
  directory: '/',
  generation: 0,
} as never as LoadedConfig

describe('declared resolvers', () => {
  it.each([
    { docker: {} },
    { docker: { host: 'tcp://engine:2376', tls: { ca: 'a' }, network: 'n', sleep: 'pause', stopTimeoutMs: 5_000 } },
    { docker: { containers: { alpha: 'tenant-a' } } },
    { docker: { containers: () => undefined } },
    { kubernetes: {} },
    { kubernetes: { namespace: '*', labelSelector: 'a=b', workload: 'deployment', scaleToZero: false } },
  ])('takes %j', (resolver) => expect(problems(resolver)).toEqual([]))

  it.each([
    [{ docker: { hots: 'x' } }, 'resolver.docker.hots', 'Did you mean "host"?'],
    [{ docker: { sleep: 'kill' } }, 'resolver.docker.sleep', undefined],
    [{ docker: {}, fixed: 'a:1' }, 'resolver', undefined],
    [{ kubernetes: { workload: 'daemonset' } }, 'resolver.kubernetes.workload', undefined],
    [{ kubernetes: null }, 'resolver.kubernetes', undefined],
    [{ dokcer: {} }, 'resolver.dokcer', undefined],
  ])('refuses %j', (resolver, path, suggestion) => {
    const [problem] = problems(resolver)
    expect(problem?.path).toBe(path)
    if (suggestion !== undefined) expect(problem?.suggestion).toBe(suggestion)
  })

  it('makes the resolver of the package, without asking anybody yet', async () => {
    const docker = await declaredResolver({ docker: { host: 'unix:///no/such/socket' } }, loaded)
    expect(docker?.name).toBe('docker')
    await docker?.close?.()
    expect(declaredResolver({ static: {} }, loaded)).toBeUndefined()
  })

  it('are all explained in docs/reference/configuration.md', () => {
    const page = readFileSync(new URL('../../../../docs/reference/configuration.md', import.meta.url), 'utf8')
    for (const name of declaredResolvers.keys()) expect(page).toContain(`\`{ ${name}: {`)
  })
})
