/** What a gateway must know of a protocol before it can route it. */
export interface ProtocolFacts {
  readonly name: string
  /** The port its servers listen on; undefined for `tcp`, which stands for anything. */
  readonly port: number | undefined
  /** A protocol whose server speaks first cannot share a port by looking at the client's first bytes. */
  readonly speaksFirst: 'client' | 'server'
  /** Where a connection says which tenant it is for, best first. SNI and one port per tenant work for every protocol. */
  readonly keySource: string
  /** Its servers tell clients the addresses of other servers, which a client would then connect to directly. */
  readonly leaksTopology: boolean
}

/** The protocols that the gateway knows by name. `tcp` routes those that have no package of their own. */
export const protocols: readonly ProtocolFacts[] = Object.freeze([
  facts('http', 80, 'client', 'Host or :authority'),
  facts('smtp', 25, 'server', 'EHLO domain, RCPT domain, AUTH user'),
  facts('tcp', undefined, 'client', 'SNI, port'),
  facts('postgresql', 5432, 'client', 'database, user prefix, options, SNI'),
  facts('mysql', 3306, 'server', 'database, SNI, user prefix'),
  facts('mongodb', 27017, 'client', 'SNI, authentication database, $db', 'leaks'),
  facts('redis', 6379, 'client', 'AUTH or HELLO user, SELECT', 'leaks'),
  facts('memcached', 11211, 'client', 'SNI, port'),
  facts('kafka', 9092, 'client', 'SNI, SASL user', 'leaks'),
  facts('amqp', 5672, 'client', 'virtual host of connection.open'),
  facts('clickhouse', 9000, 'client', 'database or user of Hello'),
  facts('cassandra', 9042, 'client', 'SNI, SASL user', 'leaks'),
  facts('nats', 4222, 'server', 'user or token of CONNECT', 'leaks'),
  facts('mssql', 1433, 'client', 'database of LOGIN7, SNI with TDS 8', 'leaks'),
  facts('oracle', 1521, 'client', 'SERVICE_NAME of CONNECT_DATA', 'leaks'),
  facts('elasticsearch', 9200, 'client', 'Host', 'leaks'),
  facts('mqtt', 1883, 'client', 'user name or client id of CONNECT'),
  facts('grpc', 50051, 'client', ':authority'),
  facts('zookeeper', 2181, 'client', 'SNI, port'),
  facts('etcd', 2379, 'client', ':authority', 'leaks'),
  facts('neo4j', 7687, 'client', 'routing address or user of HELLO', 'leaks'),
  facts('couchbase', 11210, 'client', 'SASL user, SELECT_BUCKET', 'leaks'),
  facts('cockroachdb', 26257, 'client', '--cluster of options, cluster prefix of the database, SNI'),
  facts('tidb', 4000, 'server', 'user prefix, database, SNI'),
  facts('pulsar', 6650, 'client', 'proxy_to_broker_url of CONNECT, SNI', 'leaks'),
  facts('ftp', 21, 'server', 'USER name@host', 'leaks'),
  facts('ldap', 389, 'client', 'bind DN', 'leaks'),
  facts('rethinkdb', 28015, 'client', 'user of the SCRAM exchange, SNI'),
])

const byName: ReadonlyMap<string, ProtocolFacts> = new Map(protocols.map((known) => [known.name, known]))
const byPort: ReadonlyMap<number | undefined, ProtocolFacts> = new Map(protocols.map((known) => [known.port, known]))

/** The protocol of that name; undefined for one that the registry does not know. */
export function protocolByName(name: string): ProtocolFacts | undefined {
  return byName.get(name)
}

/** The protocol that is spoken on a port by default, so that a list of ports is enough of a configuration. */
export function protocolByPort(port: number): ProtocolFacts | undefined {
  return byPort.get(port)
}

/** The port of a protocol, for endpoints that name none. */
export function defaultPortOf(name: string): number | undefined {
  return byName.get(name)?.port
}

function facts(
  name: string,
  port: number | undefined,
  speaksFirst: 'client' | 'server',
  keySource: string,
  topology?: 'leaks',
): ProtocolFacts {
  return Object.freeze({ name, port, speaksFirst, keySource, leaksTopology: topology === 'leaks' })
}
