import { expect, it } from 'vitest'
import { defaultPortOf, protocolByName, protocolByPort, protocols } from './protocols.ts'

it('knows the 28 protocols', () => {
  expect(protocols.map(({ name }) => name)).toEqual(
    (
      'http smtp tcp postgresql mysql mongodb redis memcached kafka amqp clickhouse cassandra nats mssql oracle elasticsearch ' +
      'mqtt grpc zookeeper etcd neo4j couchbase cockroachdb tidb pulsar ftp ldap rethinkdb'
    ).split(' '),
  )
})

it('finds each by its name and by its port, which no other has', () => {
  for (const known of protocols) {
    expect(protocolByName(known.name)).toBe(known)
    expect(defaultPortOf(known.name)).toBe(known.port)
    if (known.port !== undefined) expect(protocolByPort(known.port)).toBe(known)
  }
  expect(new Set(protocols.map(({ port }) => port)).size).toBe(28)
  expect(protocolByPort(5432)?.name).toBe('postgresql')
  expect(protocolByPort(1)).toBeUndefined()
  expect(protocolByName('gopher')).toBeUndefined()
})

it('says which servers speak first', () => {
  const servers = protocols.filter(({ speaksFirst }) => speaksFirst === 'server').map(({ name }) => name)
  expect(servers).toEqual(['smtp', 'mysql', 'nats', 'tidb', 'ftp'])
})
