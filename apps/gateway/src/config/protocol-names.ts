import { http, type HttpOptions } from '@proxy/http'
import { type Protocol, protocols as registry } from '@proxy/kernel'
import { postgres, type PostgresOptions } from '@proxy/postgres'
import { tcp, type TcpOptions } from '@proxy/tcp'
import type { z } from 'zod'
import type { ConfigProblem } from './problems.ts'
import { httpOptions, postgresOptions, tcpOptions } from './protocol-options.ts'
import { didYouMean } from './suggest.ts'
import type { ProtocolOptions } from './types.ts'

/** What a protocol's name in a config file stands for. */
export interface NamedProtocol {
  readonly options: z.ZodType
  make(options: ProtocolOptions): Protocol
}

const httpProtocol: NamedProtocol = { options: httpOptions, make: (options) => http(options as HttpOptions) }
const postgresProtocol: NamedProtocol = {
  options: postgresOptions,
  make: (options) => postgres(options as PostgresOptions),
}

// Of these, bytes are spoken that one of the two codecs understands.
const codecs: Readonly<Record<string, NamedProtocol>> = {
  http: httpProtocol,
  grpc: httpProtocol,
  elasticsearch: httpProtocol,
  etcd: httpProtocol,
  postgres: postgresProtocol,
  postgresql: postgresProtocol,
  cockroachdb: postgresProtocol,
}

// SMTP needs a codec to be routed at all; relaying it blindly would be a promise not kept.
const announced: Readonly<Record<string, string>> = {
  smtp: 'SMTP is not there yet: it comes with @proxy/smtp in a later release.',
}

export const protocolNames: readonly string[] = [
  ...new Set([...Object.keys(codecs), ...registry.map(({ name }) => name)]),
].filter((name) => !Object.hasOwn(announced, name))

/** The protocol of that name, or what is wrong with the name. */
export function namedProtocol(name: string): NamedProtocol | Omit<ConfigProblem, 'path'> {
  if (Object.hasOwn(announced, name)) return { message: announced[name]! }
  if (!protocolNames.includes(name)) {
    const suggestion = didYouMean(name, protocolNames) ?? `Known are ${protocolNames.join(', ')}.`
    return { message: `${JSON.stringify(name)} is no protocol.`, suggestion }
  }
  return codecs[name] ?? relayed(name)
}

/** Any other protocol: routed by server name, by port or by the user's extractor. */
const relayed = (name: string): NamedProtocol => ({
  options: tcpOptions,
  make: (options) => tcp(name === 'tcp' ? (options as TcpOptions) : { name, ...(options as TcpOptions) }),
})
