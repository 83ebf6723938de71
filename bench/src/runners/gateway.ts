// Our gateway as a user would run it, built, in one process: tenants from a resolver, the guard on. Databases are routed by their
// names, HTTP by Host, mail by EHLO, TCP by the first line.
import { Gateway, type Protocol, staticResolver } from '@proxy/kernel'
import { http } from '@proxy/http'
import { mongodb } from '@proxy/mongodb'
import { mysql } from '@proxy/mysql'
import { postgres } from '@proxy/postgres'
import { smtp } from '@proxy/smtp'
import { tcp } from '@proxy/tcp'
import { accessLog, telemetry } from '@proxy/telemetry'
import { tls } from '@proxy/tls'
import { epollTransport } from '@proxy/transport-epoll'
import { firstWord } from './first-word.ts'
import { backendOf, tellPort } from './runner.ts'

/** Where spans and metrics are sent to and lines written to, when everything is watched. */
const [, , , , , , otlp, logFile, lines] = process.argv
const watched = otlp === undefined ? undefined : telemetry({ otlp, metrics: { intervalMs: 10_000 } })
const observers = watched === undefined ? [] : [watched, accessLog({ file: logFile, requests: lines === 'requests' })]

const protocols: Readonly<Record<string, () => Protocol>> = {
  tcp: () => tcp({ extract: firstWord }),
  http: () => http({ tracer: watched?.tracer }),
  https: () => http(),
  h2c: () => http({ h2c: true }),
  h2: () => http({ http2: true }),
  postgres: () => postgres(),
  mysql: () => mysql(),
  mongodb: () => mongodb(),
  smtp: () => smtp(),
}

const protocol = protocols[process.argv[4] ?? '']
if (protocol === undefined) throw new Error(`name a protocol: ${Object.keys(protocols).join(', ')}`)
/** What is measured under a name must be what runs. */
const noFallback = (reason: string): never => {
  throw new Error(reason)
}

const { BENCH_CERT: cert, BENCH_KEY: key } = process.env
const secured = cert === undefined || key === undefined ? undefined : tls({ certificates: [{ cert, key }] })

const { host, port } = backendOf(process.argv)
const endpoint = `${host}:${port}`
const gateway = new Gateway({
  listeners: [{ address: '127.0.0.1:0', protocol: protocol(), backlog: 65_535, tls: secured }],
  resolver: staticResolver({ alpha: endpoint, 'alpha.localhost': endpoint, bench: endpoint }),
  guard: { allow: ['127.0.0.0/8'] },
  layers: observers,
  transport: process.argv[5] === 'epoll' ? epollTransport({ onFallback: noFallback }) : undefined,
})
await gateway.open()
process.once('SIGTERM', () => void gateway.close())
tellPort(gateway.addresses[0]?.port ?? 0)
