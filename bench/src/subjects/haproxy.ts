import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Bench } from '../bench.ts'
import type { Address, Subject } from '../subject.ts'
import { startServer } from './server.ts'
import { programVersion } from './version.ts'

const http = `mode http
  option http-keep-alive
  option forwardfor
  http-reuse always`

type Mode = 'tcp' | 'http' | 'https' | 'h2c' | 'h2'

const modes: Readonly<Record<Mode, string>> = { tcp: 'mode tcp', http, https: http, h2c: http, h2: http }

/** Behind the address; TLS is followed by the certificate. */
const listens: Readonly<Partial<Record<Mode, string>>> = {
  https: ' alpn http/1.1',
  h2c: ' proto h2',
  h2: ' alpn h2',
}

/** One thread; no log; connections to the backend are kept and shared, as a careful administrator would have it. */
const configuration = (
  mode: Mode,
  port: number,
  backend: Address,
  connections: number,
  certificate?: string,
): string => `global
  nbthread 1
  maxconn ${connections}

defaults
  ${modes[mode]}
  maxconn ${connections}
  timeout connect 5s
  timeout client 1h
  timeout server 1h

listen bench
  bind 127.0.0.1:${port} backlog 65535${certificate === undefined ? '' : ` ssl crt ${certificate}`}${listens[mode] ?? ''}
  server backend ${backend.host}:${backend.port}
`

export const haproxy = (mode: Mode): Subject => ({
  name: 'haproxy',
  version: async () => programVersion('haproxy', '-v'),
  start: (bench: Bench, backend: Address) =>
    startServer(bench, 'haproxy', (folder, port) => {
      const file = join(folder, 'haproxy.cfg')
      const certificate = mode === 'https' || mode === 'h2' ? bench.certificate.pairFile : undefined
      writeFileSync(file, configuration(mode, port, backend, Math.floor(bench.connectionLimit * 0.96), certificate))
      return ['haproxy', '-db', '-f', file]
    }),
})
