import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import {
  describeNeeding,
  type MariadbServer,
  mariadbServer,
  removeDirectory,
  run,
  temporaryDirectory,
} from '@proxy/test-servers'
import type { Connection as CallbackConnection } from 'mysql2'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { cli, cliArgs, cliEnv, connectMariadb, connectMysql2 } from './clients.ts'
import { openGateway, type TestGateway, to } from './setup.ts'

let server: MariadbServer
let gateway: TestGateway

const alpha = () => ({ port: gateway.port, database: 'alpha' })

describeNeeding(['mariadbd', 'mariadb'], 'clients', () => {
  beforeAll(async () => {
    server = await mariadbServer({
      databases: ['alpha', 'other'],
      users: [
        { name: 'demo', password: 'demo' },
        { name: 'second', password: 'another', plugin: 'ed25519' },
        { name: 'third', password: 'more' },
      ],
      settings: ['--local-infile=1', '--log-bin=binary', '--server-id=1'],
    })
    gateway = await openGateway(to(server))
  })

  afterAll(async () => {
    await gateway[Symbol.asyncDispose]()
    await server.stop()
  })

  describe('mysql2', () => {
    test('queries, prepared statements, transactions, errors', async () => {
      const connection = await connectMysql2(alpha())
      expect((await connection.query('select ? * 2 as n', [21]))[0]).toEqual([{ n: 42 }])
      for (const id of [1, 2, 3]) {
        const [rows] = await connection.execute('select cast(? as int) * 2 as n', [id])
        expect(rows).toEqual([{ n: id * 2 }])
      }
      await connection.query('create table t (i int) engine = innodb')
      await connection.beginTransaction()
      await connection.query('insert into t select seq from seq_1_to_1000')
      expect((await connection.query('select count(*) as n from t'))[0]).toEqual([{ n: 1000 }])
      await connection.rollback()
      expect((await connection.query('select count(*) as n from t'))[0]).toEqual([{ n: 0 }])
      await expect(connection.query('select * from nope')).rejects.toMatchObject({ errno: 1146, sqlState: '42S02' })
      await connection.ping()
      await connection.end()
    })

    test('several statements in one query', async () => {
      const connection = await connectMysql2(alpha(), { multipleStatements: true })
      const [results] = await connection.query('select 1 as a; set @x = 5; select @x as b')
      expect((results as unknown[])[0]).toEqual([{ a: 1 }])
      expect((results as unknown[])[2]).toEqual([{ b: 5 }])
      await connection.end()
    })

    test.each([
      ['third', 'more'],
      ['demo', 'demo'],
    ])('another user on the same connection: %s', async (user, password) => {
      const connection = await connectMysql2(alpha())
      await connection.changeUser({ user, password, database: 'other' })
      const [rows] = await connection.query(`select substring_index(user(), '@', 1) as u, database() as d`)
      expect(rows).toEqual([{ u: user, d: 'other' }])
      await connection.end()
    })

    test('another user, named with the tenant as in the login', async () => {
      const connection = await connectMysql2({ port: gateway.port, user: 'alpha.demo' })
      await connection.changeUser({ user: 'alpha.third', password: 'more', database: 'other' })
      expect((await connection.query(`select substring_index(user(), '@', 1) as u`))[0]).toEqual([{ u: 'third' }])
      await connection.end()
    })

    test('a user whose password is wrong', async () => {
      const connection = await connectMysql2(alpha())
      const changed = connection.changeUser({ user: 'third', password: 'wrong', database: 'other' })
      await expect(changed).rejects.toMatchObject({ errno: 1045 })
      connection.destroy()
    })

    test('a large result, row by row', async () => {
      const connection = await connectMysql2(alpha())
      const { connection: callbacks } = connection as unknown as { connection: CallbackConnection }
      const query = callbacks.query(`select seq, repeat('x', 1000) as text from seq_1_to_20000`)
      let [rows, sum] = [0, 0]
      for await (const row of query.stream({ highWaterMark: 16 })) {
        rows++
        sum += (row as { seq: number }).seq
      }
      expect({ rows, sum }).toEqual({ rows: 20_000, sum: 200_010_000 })
      await connection.end()
    })

    test('packets of 16 MiB and more, both ways', async () => {
      const connection = await connectMysql2(alpha())
      for (const length of [2 ** 24 - 1, 2 ** 24, 20_000_001]) {
        const text = 'ab'.repeat(length).slice(0, length)
        const [rows] = await connection.query('select length(?) as n, md5(?) as m, ? as t', [
          text,
          text,
          text.slice(0, 17_000_000),
        ])
        const [row] = rows as { n: number; m: string; t: string }[]
        expect(row!.n).toBe(length)
        expect(row!.t.length).toBe(Math.min(length, 17_000_000))
      }
      await connection.end()
    })

    test('LOAD DATA LOCAL INFILE', async () => {
      const connection = await connectMysql2(alpha())
      await connection.query('create table loaded (i int, t varchar(100))')
      const lines = Array.from({ length: 30_000 }, (_, i) => Buffer.from(`${i}\trow ${i}\n`))
      const infileStreamFactory = () => Readable.from(lines)
      await connection.query({ sql: `load data local infile 'any' into table loaded`, infileStreamFactory })
      expect((await connection.query('select count(*) as n, sum(i) as s from loaded'))[0]).toEqual([
        { n: 30_000, s: '449985000' },
      ])
      await connection.end()
    })
  })

  describe('mariadb', () => {
    const settings = { bigIntAsNumber: true }

    test('pipelines its commands', async () => {
      const connection = await connectMariadb(alpha(), { pipelining: true })
      const numbers = Array.from({ length: 500 }, (_, i) => i)
      const answers = await Promise.all(numbers.map((n) => connection.query<{ n: number }[]>('select ? as n', [n])))
      expect(answers.map(([row]) => row!.n)).toEqual(numbers)
      await connection.end()
    })

    test('prepared statements, of which one fails', async () => {
      const connection = await connectMariadb(alpha(), settings)
      expect(await connection.execute('select cast(? as int) + 1 as n', [41])).toEqual([{ n: 42 }])
      await expect(connection.execute('select * from nope where i = ?', [1])).rejects.toMatchObject({ errno: 1146 })
      expect(await connection.execute('select cast(? as int) + 1 as n', [1])).toEqual([{ n: 2 }])
      await connection.end()
    })

    test('resets its connection', async () => {
      const connection = await connectMariadb(alpha())
      await connection.query('set @x = 1')
      await connection.reset()
      expect(await connection.query('select @x as x')).toEqual([{ x: null }])
      await connection.end()
    })

    test('a packet of more than 16 MiB', async () => {
      const connection = await connectMariadb(alpha(), { maxAllowedPacket: 64 << 20 })
      const text = 'x'.repeat(18_000_000)
      expect(await connection.query('select length(?) as n', [text])).toEqual([{ n: 18_000_000 }])
      await connection.end()
    })

    test.each([undefined, '5.5.5-10.11.4-MariaDB'])('batches (greeted by %s)', async (serverVersion) => {
      await using other = await openGateway(to(server), { protocol: { serverVersion } })
      const connection = await connectMariadb({ port: other.port, database: 'alpha' }, settings)
      await connection.query('create or replace table batched (i int, t varchar(100))')
      const values = Array.from({ length: 5_000 }, (_, i) => [i, `row ${i}`])
      await connection.batch('insert into batched values (?, ?)', values)
      expect(await connection.query('select count(*) as n, cast(sum(i) as int) as s from batched')).toEqual([
        { n: 5_000, s: 12_497_500 },
      ])
      await connection.end()
    })

    // It does so with MariaDB only.
    test.each([
      ['third', 'more'],
      ['second', 'another'],
    ])('another user on the same connection: %s', async (user, password) => {
      await using other = await openGateway(to(server), { protocol: { serverVersion: '5.5.5-10.11.4-MariaDB' } })
      const connection = await connectMariadb({ port: other.port, database: 'alpha' })
      await connection.changeUser({ user, password, database: 'other' })
      const rows = await connection.query(`select substring_index(user(), '@', 1) as u, database() as d`)
      expect(rows).toEqual([{ u: user, d: 'other' }])
      await connection.end()
    })
  })

  describe('the command line', () => {
    test('LOAD DATA LOCAL INFILE', async () => {
      const directory = temporaryDirectory('mysql-infile')
      const file = join(directory, 'rows.tsv')
      writeFileSync(file, Array.from({ length: 1_000 }, (_, i) => `${i}\n`).join(''))
      const sql = `create table from_file (i int); load data local infile '${file}' into table from_file; select sum(i) from from_file`
      expect((await cli(alpha(), sql, '--local-infile')).stdout).toBe('499500\n')
      removeDirectory(directory)
    })

    test('a dump and its return', async () => {
      await cli(alpha(), `create table dumped as select seq, repeat('y', 500) as t from seq_1_to_5000`)
      // It names its database after the login only.
      const dump = [...cliArgs({ port: gateway.port, user: 'alpha.demo' }), 'alpha', 'dumped']
      const { stdout, stderr } = await run('mariadb-dump', dump, { env: cliEnv(alpha()) })
      expect(stderr).toBe('')
      const back = await run('mariadb', [...cliArgs({ port: server.port }), 'other'], {
        env: cliEnv(alpha()),
        input: stdout,
      })
      expect(back).toMatchObject({ code: 0 })
      const checksums = await cli(alpha(), 'checksum table dumped; checksum table other.dumped')
      const [ours, theirs] = checksums.stdout.split('\n').map((line) => line.split('\t')[1])
      expect(ours).toBe(theirs)
    })

    test('a replica’s stream of changes', async () => {
      await cli(alpha(), 'create table replicated as select 1 as i')
      const args = [...cliArgs({ port: gateway.port, user: 'alpha.demo' }), '-R', 'binary.000001']
      const { stdout, stderr } = await run('mariadb-binlog', args, { env: cliEnv(alpha()) })
      expect(stderr).toBe('')
      expect(stdout).toContain('create table replicated')
    })

    test('compression is not offered, and done without', async () => {
      expect((await cli(alpha(), 'select 1', '--compress')).stdout).toBe('1\n')
    })
  })
})
