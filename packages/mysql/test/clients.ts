import { type Output, run } from '@proxy/test-servers'
import * as mariadb from 'mariadb'
import mysql2 from 'mysql2/promise'

export interface Login {
  readonly port: number
  /** Default `demo`. */
  readonly user?: string
  /** Default `demo`. */
  readonly password?: string
  /** Default: none. */
  readonly database?: string | undefined
  /** Speak TLS and take any certificate. Default false. */
  readonly tls?: boolean
}

/** The arguments with which a program of MariaDB's connects by a login; its password goes by {@link cliEnv}. */
export function cliArgs({ port, user, database, tls }: Login): string[] {
  const where = ['--no-defaults', '--protocol=tcp', '-h127.0.0.1', `-P${port}`, `-u${user ?? 'demo'}`]
  return [...where, tls === true ? '--ssl' : '--skip-ssl', ...(database === undefined ? [] : ['-D', database])]
}

export const cliEnv = (login: Login): Record<string, string> => ({ MYSQL_PWD: login.password ?? 'demo' })

/** `mariadb`, unaligned and without headers. */
export function cli(login: Login, sql: string, ...more: string[]): Promise<Output> {
  return run('mariadb', [...cliArgs(login), ...more, '-BNe', sql], { env: cliEnv(login) })
}

export function connectMysql2(login: Login, more: mysql2.ConnectionOptions = {}): Promise<mysql2.Connection> {
  return mysql2.createConnection({ ...credentials(login), enableCleartextPlugin: true, ...more })
}

export function connectMariadb(login: Login, more: mariadb.ConnectionConfig = {}): Promise<mariadb.Connection> {
  return mariadb.createConnection({ ...credentials(login), allowPublicKeyRetrieval: true, ...more })
}

function credentials({ port, user, password, database, tls }: Login) {
  return {
    host: '127.0.0.1',
    port,
    user: user ?? 'demo',
    password: password ?? 'demo',
    ...(database === undefined ? {} : { database }),
    ...(tls === true ? { ssl: { rejectUnauthorized: false } } : {}),
  }
}

/** What came of a login: the first row of its query, or the error as the client tells it. */
export interface Outcome {
  readonly row?: readonly unknown[]
  readonly code?: number
  readonly message?: string
}

/** Each client logs in, asks and leaves. */
export const clients: Readonly<Record<'cli' | 'mysql2' | 'mariadb', (login: Login, sql: string) => Promise<Outcome>>> =
  {
    async cli(login, sql) {
      const { stdout, stderr } = await cli(login, sql)
      const [, code, message] = /^ERROR (\d+) \(\w+\): (.*)$/m.exec(stderr) ?? []
      return code === undefined
        ? { row: stdout.split('\n')[0]!.split('\t') }
        : { code: Number(code), message: message! }
    },

    mysql2: (login, sql) =>
      outcome(async () => {
        const connection = await connectMysql2(login, { rowsAsArray: true })
        const [rows] = await connection.query(sql)
        await connection.end()
        return (rows as unknown[][])[0]!
      }),

    mariadb: (login, sql) =>
      outcome(async () => {
        const connection = await connectMariadb(login, { rowsAsArray: true })
        const rows = await connection.query<unknown[][]>(sql)
        await connection.end()
        return rows[0]!
      }),
  }

async function outcome(ask: () => Promise<unknown[]>): Promise<Outcome> {
  try {
    return { row: await ask() }
  } catch (error) {
    const { errno, sqlMessage, message } = error as { errno?: number; sqlMessage?: string; message: string }
    return { code: errno ?? 0, message: sqlMessage ?? message }
  }
}
