import { describeNeeding, type MariadbServer, mariadbServer, type Output, run } from '@proxy/test-servers'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { cli, connectMariadb, connectMysql2 } from './clients.ts'
import { openGateway, type TestGateway, to } from './setup.ts'

/** Of each run of sysbench; with more than one, writes are measured too. */
const seconds = Number(process.env['PROXY_TEST_SYSBENCH_SECONDS'] ?? 1)

let server: MariadbServer
let gateway: TestGateway

beforeAll(async () => {
  server = await mariadbServer({ databases: ['alpha'] })
  gateway = await openGateway(to(server))
})

afterAll(async () => {
  await gateway[Symbol.asyncDispose]()
  await server.stop()
})

describeNeeding(['mariadbd', 'sysbench'], 'sysbench', () => {
  const sysbench = (port: number, test: string, args: readonly string[]): Promise<Output> => {
    const where = ['--db-driver=mysql', '--mysql-host=127.0.0.1', `--mysql-port=${port}`, '--mysql-db=alpha']
    const who = ['--mysql-user=demo', '--mysql-password=demo', '--tables=1', '--table-size=2000']
    return run('sysbench', [test, ...where, ...who, ...args])
  }

  const timed = ['--threads=4', `--time=${seconds}`, 'run']

  beforeAll(async () => {
    expect(await sysbench(gateway.port, 'oltp_read_only', ['prepare'])).toMatchObject({ code: 0 })
  })

  test.each<[string, string[]]>([
    ['oltp_read_only', []],
    ['oltp_read_only', ['--db-ps-mode=disable', '--skip-trx=on']],
    ...(seconds > 1 ? [['oltp_read_write', []] satisfies [string, string[]]] : []),
  ])('%s %s, beside a direct one', { timeout: 20_000 + 2_000 * seconds }, async (name, more) => {
    const direct = await sysbench(server.port, name, [...more, ...timed])
    const through = await sysbench(gateway.port, name, [...more, ...timed])
    expect(through).toMatchObject({ code: 0 })
    expect(through.stdout).toMatch(/reconnects: +0 /)
    expect(count(through, 'ignored errors')).toBeLessThanOrEqual(count(direct, 'ignored errors') + 10)
    expect(count(through, 'transactions')).toBeGreaterThan(0)
    const [before, behind] = [rate(direct), rate(through)]
    process.stdout.write(`${name} ${more.join(' ')}: direct ${before} queries/s, through the gateway ${behind}\n`)
  })
})

const count = ({ stdout }: Output, what: string): number => Number(new RegExp(`${what}: +(\\d+)`).exec(stdout)?.[1])
const rate = ({ stdout }: Output): number => Math.round(Number(/queries: .*\(([\d.]+) per sec/.exec(stdout)?.[1]))

describeNeeding(['mariadbd', 'mariadb'], '10,000 rows', () => {
  const rows = Array.from({ length: 10_000 }, (_, i) => [i, `name ${i}`, i * 1.5, 'ä€😀'.repeat(i % 20)])

  const create = (table: string): Promise<Output> =>
    cli(
      { port: server.port, database: 'alpha' },
      `create table ${table} (id int primary key, name varchar(50), price double, note varchar(200)) charset utf8mb4`,
    )

  const summary = async (table: string): Promise<string> => {
    const sql = `select count(*), sum(id), sum(price), sum(length(note)) from ${table}; checksum table ${table}`
    const { stdout } = await cli({ port: server.port, database: 'alpha' }, sql)
    return stdout.replaceAll(table, 'table')
  }

  beforeAll(async () => {
    await create('direct')
    const connection = await connectMariadb({ port: server.port, database: 'alpha' })
    await connection.batch('insert into direct values (?, ?, ?, ?)', rows)
    await connection.end()
    expect(await summary('direct')).toMatch(/^10000\t/)
  })

  describe('arrive as they would directly', () => {
    test('in batches of the mariadb connector, in either form', async () => {
      for (const serverVersion of [undefined, '5.5.5-10.11.4-MariaDB']) {
        const table = serverVersion === undefined ? 'as_mysql' : 'as_mariadb'
        await create(table)
        await using other = await openGateway(to(server), { protocol: { serverVersion } })
        const connection = await connectMariadb({ port: other.port, database: 'alpha' })
        await connection.batch(`insert into ${table} values (?, ?, ?, ?)`, rows)
        await connection.end()
        expect(await summary(table)).toBe(await summary('direct'))
      }
    })

    test('one at a time, pipelined', async () => {
      await create('pipelined')
      const connection = await connectMariadb({ port: gateway.port, database: 'alpha' }, { pipelining: true })
      await connection.beginTransaction()
      await Promise.all(rows.map((row) => connection.query('insert into pipelined values (?, ?, ?, ?)', row)))
      await connection.commit()
      await connection.end()
      expect(await summary('pipelined')).toBe(await summary('direct'))
    })

    test('by prepared statements over several connections', async () => {
      await create('prepared')
      const connect = () => connectMysql2({ port: gateway.port, database: 'alpha' })
      const connections = await Promise.all(Array.from({ length: 4 }, connect))
      await Promise.all(
        connections.map(async (connection, turn) => {
          for (let i = turn; i < rows.length; i += 4) {
            await connection.execute('insert into prepared values (?, ?, ?, ?)', rows[i])
          }
        }),
      )
      await Promise.all(connections.map((connection) => connection.end()))
      expect(await summary('prepared')).toBe(await summary('direct'))
    })

    test('in one statement', async () => {
      await create('at_once')
      const connection = await connectMysql2({ port: gateway.port, database: 'alpha' })
      await connection.query('insert into at_once values ?', [rows])
      await connection.end()
      expect(await summary('at_once')).toBe(await summary('direct'))
    })
  })
})
