import { http, type HttpOptions } from '@proxy/http'
import { type Protocol, protocolByName, protocols as registry, type TlsMode } from '@proxy/kernel'
import { mongodb, type MongodbOptions } from '@proxy/mongodb'
import { mysql, type MysqlOptions } from '@proxy/mysql'
import { postgres, type PostgresOptions } from '@proxy/postgres'
import { smtp, type SmtpOptions } from '@proxy/smtp'
import { tcp, type TcpOptions } from '@proxy/tcp'
import type { z } from 'zod'
import type { ConfigProblem } from './problems.ts'
import * as shapes from './protocol-options.ts'
import { didYouMean } from './suggest.ts'
import type { ProtocolOptions } from './types.ts'

/** What a protocol's name in a config file stands for. */
export interface NamedProtocol {
  readonly options: z.ZodType
  /** Modes of TLS that it can do; the first is the one that is meant when none is named. */
  readonly tls: readonly TlsMode[]
  readonly speaksFirst: Protocol['speaksFirst']
  make(options: ProtocolOptions): Protocol
}

const httpProtocol: NamedProtocol = {
  options: shapes.httpOptions,
  tls: ['implicit'],
  speaksFirst: 'client',
  make: (options) => http(options as HttpOptions),
}

const postgresProtocol: NamedProtocol = {
  options: shapes.postgresOptions,
  tls: ['negotiated', 'implicit', 'passthrough'],
  speaksFirst: 'client',
  make: (options) => postgres(options as PostgresOptions),
}

// Server name and database come behind a greeting that a server would have to have sent: nothing can be passed through.
const mysqlProtocol: NamedProtocol = {
  options: shapes.mysqlOptions,
  tls: ['negotiated', 'implicit'],
  speaksFirst: 'server',
  make: (options) => mysql(options as MysqlOptions),
}

const mongodbProtocol: NamedProtocol = {
  options: shapes.mongodbOptions,
  tls: ['implicit', 'negotiated', 'passthrough'],
  speaksFirst: 'client',
  make: (options) => mongodb(options as MongodbOptions),
}

const smtpProtocol: NamedProtocol = {
  options: shapes.smtpOptions,
  tls: ['negotiated', 'implicit', 'passthrough'],
  speaksFirst: 'server',
  make: (options) => smtp(options as SmtpOptions),
}

// Of these, bytes are spoken that one of the codecs understands.
const codecs: Readonly<Record<string, NamedProtocol>> = {
  http: httpProtocol,
  grpc: httpProtocol,
  elasticsearch: httpProtocol,
  etcd: httpProtocol,
  postgres: postgresProtocol,
  postgresql: postgresProtocol,
  cockroachdb: postgresProtocol,
  mysql: mysqlProtocol,
  mariadb: mysqlProtocol,
  tidb: mysqlProtocol,
  mongodb: mongodbProtocol,
  smtp: smtpProtocol,
}

export const protocolNames: readonly string[] = [
  ...new Set([...Object.keys(codecs), ...registry.map(({ name }) => name)]),
]

/** The protocol of that name, or what is wrong with the name. */
export function namedProtocol(name: string): NamedProtocol | Omit<ConfigProblem, 'path'> {
  if (!protocolNames.includes(name)) {
    const suggestion = didYouMean(name, protocolNames) ?? `Known are ${protocolNames.join(', ')}.`
    return { message: `${JSON.stringify(name)} is no protocol.`, suggestion }
  }
  return codecs[name] ?? relayed(name)
}

/** Any other protocol: routed by server name, by port or by the user's extractor. */
const relayed = (name: string): NamedProtocol => ({
  options: shapes.tcpOptions,
  tls: ['implicit', 'negotiated', 'passthrough'],
  speaksFirst: protocolByName(name)?.speaksFirst ?? 'client',
  make: (options) => tcp(name === 'tcp' ? (options as TcpOptions) : { name, ...(options as TcpOptions) }),
})
