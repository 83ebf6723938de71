import { describe, expect, test } from 'vitest'
import { manifestViolations, violation } from './dependency-rules.ts'
import type { Manifest, Member } from './workspace.ts'

const member = (folder: string, extra: Partial<Manifest> = {}): Member => ({
  folder,
  manifest: { name: `@proxy/${folder.split('/').at(-1)}`, version: '1.0.0', ...extra },
})

const peer = { peerDependencies: { '@proxy/kernel': '^1.0.0' } }
const testDeps = { devDependencies: { '@proxy/testkit': '*', '@proxy/tls': '*', '@proxy/http': '*', pg: '1' } }
const workspace: Record<string, Member> = {
  kernel: member('packages/kernel', { devDependencies: { left: '1' } }),
  tls: member('packages/tls', { ...peer, dependencies: { left: '1' } }),
  http: member('packages/http', peer),
  postgres: member('packages/postgres', { ...peer, ...testDeps, dependencies: { '@proxy/http': '1', left: '1' } }),
  mysql: member('packages/mysql', { ...peer, ...testDeps }),
  testkit: member('packages/testkit', { peerDependencies: { '@proxy/kernel': '1', vitest: '1' } }),
  gateway: member('apps/gateway', { dependencies: { '@proxy/http': '1' } }),
  bench: member('bench', { private: true, devDependencies: { '@proxy/gateway': '1', '@proxy/http': '1' } }),
}
const hoisted: Manifest = { name: 'proxy', version: '', devDependencies: { vitest: '1', '@proxy/testkit': '*' } }

const check = (owner: string, file: string, specifier: string, type = false): string | undefined => {
  const at = workspace[owner]!
  return violation(`${at.folder}/${file}`, { specifier, type, line: 1 }, at, hoisted)
}

describe('imports that are allowed', () => {
  test.each([
    ['kernel', 'src/transport/node.ts', 'node:net'],
    ['kernel', 'src/layers/guard.ts', 'node:dns/promises'],
    ['kernel', 'src/channel.ts', 'node:stream'],
    ['kernel', 'src/channel.test.ts', 'node:net'],
    ['kernel', 'src/relay/stream.test.ts', '@proxy/testkit'],
    ['tls', 'src/tls.ts', 'node:tls'],
    ['tls', 'src/tls.ts', '@proxy/kernel/layers'],
    ['http', 'src/http2.ts', 'node:http2'],
    ['http', 'src/http.ts', './pool.ts'],
    ['http', 'tsup.config.ts', '../../tsup.base.ts'],
    ['postgres', 'src/wire.ts', 'left'],
    ['postgres', 'test/psql.test.ts', '@proxy/tls'],
    ['postgres', 'test/psql.test.ts', 'pg'],
    ['mysql', 'src/wire.ts', 'node:crypto'],
    ['testkit', 'src/protocol.ts', 'vitest'],
    ['gateway', 'src/main.ts', '@proxy/http'],
    ['gateway', 'src/admin.ts', 'node:http'],
    ['gateway', 'test/library.test.ts', '@proxy/gateway'],
    ['bench', 'src/main.ts', '@proxy/http'],
  ])('%s %s: %s', (owner, file, specifier) => {
    expect(check(owner, file, specifier)).toBeUndefined()
  })

  test('a type is not a dependency on a built-in module', () => {
    expect(check('http', 'src/http.ts', 'node:net', true)).toBeUndefined()
  })
})

describe('imports that are forbidden', () => {
  test.each([
    ['kernel', 'src/channel.ts', 'node:net', /not for this part of the kernel/],
    ['kernel', 'src/transport/node.ts', 'node:tls', /not for/],
    ['kernel', 'src/gateway.ts', 'node:dns', /not for/],
    ['kernel', 'src/gateway.ts', 'left', /must not depend/],
    ['kernel', 'src/gateway.ts', '@proxy/testkit', /must not import/],
    ['tls', 'src/tls.ts', 'node:net', /not for this package/],
    ['tls', 'src/tls.ts', 'left', /must not depend/],
    ['http', 'src/pool.ts', 'node:net', /not for this package/],
    ['http', 'src/pool.ts', 'node:tls', /not for this package/],
    ['http', 'src/pool.ts', 'node:dns/promises', /not for this package/],
    ['http', 'src/pool.ts', 'net', /not declared/],
    ['http', 'src/pool.ts', 'right', /not declared/],
    ['http', 'src/pool.ts', './pool.js', /extension/],
    ['http', 'src/pool.ts', './pool', /extension/],
    ['http', 'src/pool.ts', '../../kernel/src/index.ts', /by name/],
    ['http', 'src/pool.ts', './pool.test.ts', /tests/],
    ['http', 'src/pool.ts', '../test/helper.ts', /tests/],
    ['http', 'src/pool.ts', '../../../tsup.base.ts', /by name/],
    ['http', 'test/pool.test.ts', '../../kernel/src/index.ts', /by name/],
    ['postgres', 'src/postgres.ts', '@proxy/http', /must not import/],
    ['postgres', 'src/postgres.ts', '@proxy/tls', /must not import/],
    ['postgres', 'src/postgres.ts', 'pg', /not declared/],
    ['mysql', 'src/mysql.ts', '@proxy/postgres', /must not import/],
    ['mysql', 'src/mysql.ts', 'node:net', /not for this package/],
    ['mysql', 'src/mysql.ts', 'node:dns/promises', /not for this package/],
    ['postgres', 'test/psql.test.ts', '@proxy/http', /must not import/],
    ['postgres', 'test/psql.test.ts', '@proxy/gateway', /nothing imports an app/],
    ['http', 'test/pool.test.ts', '@proxy/tls', /not declared/],
    ['http', 'src/pool.ts', '@proxy/http', /relative/],
    ['bench', 'src/main.ts', '@proxy/gateway', /nothing imports an app/],
  ])('%s %s: %s', (owner, file, specifier, problem) => {
    expect(check(owner, file, specifier)).toMatch(problem)
  })
})

describe('manifests', () => {
  test('a protocol has the kernel as its peer', () => {
    expect(manifestViolations(workspace['http']!)).toEqual([])
    expect(manifestViolations(member('packages/http'))).toEqual(['@proxy/kernel must be a peer dependency'])
    expect(manifestViolations(workspace['postgres']!)).toEqual(['@proxy/http must be a peer dependency'])
  })

  test('the kernel has no dependency', () => {
    expect(manifestViolations(workspace['kernel']!)).toEqual([])
    expect(manifestViolations(member('packages/kernel', { dependencies: { left: '1' } }))).toHaveLength(1)
  })
})
