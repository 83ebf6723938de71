import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Bench } from '../bench.ts'
import type { Address, Subject } from '../subject.ts'
import { startServer } from './server.ts'
import { programVersion } from './version.ts'

/** A server connection belongs to a client connection as long as that lasts, as behind a proxy that relays. */
const configuration = (port: number, backend: Address): string => `[databases]
* = host=${backend.host} port=${backend.port} user=demo

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = any
pool_mode = session
max_client_conn = 1000
default_pool_size = 90
log_connections = 0
log_disconnections = 0
stats_period = 3600
`

export const pgbouncer: Subject = {
  name: 'pgbouncer',
  version: async () => programVersion('pgbouncer', '--version'),
  start: (bench: Bench, backend: Address) =>
    startServer(
      bench,
      'pgbouncer',
      (folder, port) => {
        const file = join(folder, 'pgbouncer.ini')
        writeFileSync(file, configuration(port, backend))
        return ['pgbouncer', '-q', file]
      },
      { unprivileged: true },
    ),
}
