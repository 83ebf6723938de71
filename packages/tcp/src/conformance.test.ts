import { protocolConformance } from '@proxy/testkit'
import { expect } from 'vitest'
import { type Extract, tcp } from './index.ts'

/** `tenant key` on a first line of at most 64 bytes. */
const tenantLine: Extract = (bytes) => {
  const opening = bytes.toString('latin1', 0, 64)
  const [, key] = /^tenant ([a-z]+)\n/.exec(opening) ?? []
  if (key !== undefined) return { key, attributes: { by: 'line' } }
  if (!/^(t(e(n(a(n(t( [a-z]*)?)?)?)?)?)?)?$/.test(opening) || opening.length === 64) throw new Error('no tenant line')
  return undefined
}

const fixtures = ['alpha', 'beta'].map((key) => ({
  name: `the tenant ${key}`,
  client: `tenant ${key}\nand more`,
  key,
  attributes: { by: 'line' },
  backend: `tenant ${key}\nand more`,
}))

protocolConformance({
  name: 'tcp by first bytes conformance',
  protocol: () => tcp({ extract: tenantLine }),
  fixtures,
  refusal: (bytes) => expect(bytes).toHaveLength(0),
})

protocolConformance({
  name: 'tcp for redis conformance',
  protocol: () => tcp({ name: 'redis', extract: tenantLine }),
  fixtures,
  refusal: (bytes) => expect(bytes.toString()).toMatch(/^-ERR [^\r\n]+\r\n$/),
})

protocolConformance({
  name: 'tcp with a transform conformance',
  protocol: () =>
    tcp({
      extract: tenantLine,
      transform: {
        frame: (bytes) => bytes.indexOf('\n') + 1,
        apply: (line) => Buffer.from(line.toString().toUpperCase()),
      },
    }),
  fixtures: fixtures.map((fixture) => ({ ...fixture, backend: `TENANT ${fixture.key.toUpperCase()}\nand more` })),
  refusal: (bytes) => expect(bytes).toHaveLength(0),
})
