import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { describeNeeding, type MariadbServer, mariadbServer } from '@proxy/test-servers'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { connectMariadb, connectMysql2 } from './clients.ts'
import { asRoot } from './raw.ts'
import { openGateway, to } from './setup.ts'

let server: MariadbServer

beforeAll(async () => {
  server = await mariadbServer({ databases: ['alpha'] })
})

afterAll(() => server.stop())

async function connect(port: number) {
  const connection = await connectMysql2({ port, database: 'alpha' })
  const ended = once(connection, 'error').then(([error]) => error as { code?: number | string })
  return { connection, ended }
}

/** Settles when a statement with this text waits for a lock. */
async function untilWaiting(text: string): Promise<void> {
  const sql = `select count(*) from information_schema.processlist where state like '%lock%' and info like '%${text}%' and info not like '%processlist%'`
  while ((await asRoot(server.port, sql)).trim() === '0');
}

describeNeeding(['mariadbd', 'mariadb'], 'drain', () => {
  describe.concurrent('side by side, for each waits', () => {
    test('an idle session is told that the gateway goes away', async () => {
      await using gateway = await openGateway(to(server))
      const [fresh, used, updated] = await Promise.all([1, 2, 3].map(() => connect(gateway.port)))
      await used!.connection.query('select 1')
      // Its answer has a text at its end.
      await updated!.connection.query(`create or replace table changed as select 1 as i`)
      await updated!.connection.query(`update changed set i = 2`)
      await gateway.gateway.drain()
      for (const { ended } of [fresh!, used!, updated!]) expect(await ended).toMatchObject({ code: 1053 })
    })

    test('the mariadb connector is told too', async () => {
      await using gateway = await openGateway(to(server))
      const connection = await connectMariadb({ port: gateway.port, database: 'alpha' })
      await connection.query('select 1')
      const ended = new Promise<{ errno: number }>((resolve) =>
        connection.on('error', resolve as (error: unknown) => void),
      )
      await gateway.gateway.drain()
      expect(await ended).toMatchObject({ errno: 1053 })
    })

    test('neither a transaction nor a query is cut, and their sessions end behind them', async () => {
      await using gateway = await openGateway(to(server))
      const holder = await connectMysql2({ port: server.port, database: 'alpha' })
      const [inTransaction, busy] = [await connect(gateway.port), await connect(gateway.port)]
      await holder.query(`create or replace table kept (i int) engine = innodb`)
      await holder.query(`select get_lock('drain', 10)`)
      await inTransaction.connection.beginTransaction()
      await inTransaction.connection.query('insert into kept values (1)')
      const query = busy.connection.query(`select get_lock('drain', 30) as got`)
      await untilWaiting('drain')
      // Silent for no longer than the others, it shows when a drain would cut them.
      const idle = await connect(gateway.port)
      const drained = gateway.gateway.drain()
      await idle.ended
      await inTransaction.connection.query('insert into kept values (2)')
      await inTransaction.connection.commit()
      await holder.query(`select release_lock('drain')`)
      expect((await query)[0]).toEqual([{ got: 1 }])
      await Promise.all([drained, inTransaction.ended, busy.ended])
      expect((await holder.query('select sum(i) as n from kept'))[0]).toEqual([{ n: '3' }])
      await holder.end()
    })

    test('a transaction that nobody has begun by name counts as one', async () => {
      await using gateway = await openGateway(to(server))
      const { connection, ended } = await connect(gateway.port)
      await connection.query('create or replace table unnamed (i int) engine = innodb')
      await connection.query('set autocommit = 0')
      await connection.query('insert into unnamed values (7)')
      const idle = await connect(gateway.port)
      const drained = gateway.gateway.drain()
      await idle.ended
      await connection.commit()
      await Promise.all([drained, ended])
      expect(await asRoot(server.port, 'select sum(i) from alpha.unnamed')).toBe('7\n')
    })

    test('commands that were pipelined are answered, all of them', async () => {
      await using gateway = await openGateway(to(server))
      const connection = await connectMariadb({ port: gateway.port, database: 'alpha' }, { pipelining: true })
      const ended = new Promise<{ errno: number }>((resolve) =>
        connection.on('error', resolve as (error: unknown) => void),
      )
      const first = connection.query('select 1 as n')
      const second = connection.query('select sleep(3) + 2 as n').catch((error: unknown) => error)
      await first
      const drained = gateway.gateway.drain()
      expect(await second).toEqual([{ n: 2 }])
      expect(await ended).toMatchObject({ errno: 1053 })
      await drained
    })

    test('past the deadline every session ends', async () => {
      await using gateway = await openGateway(to(server))
      const { connection, ended } = await connect(gateway.port)
      await connection.beginTransaction()
      await connection.query('select 1')
      await gateway.gateway.drain({ deadlineMs: 100 })
      await ended
    })

    test('under load, no statement is lost: what was not answered was not done', async () => {
      await using gateway = await openGateway(to(server))
      await asRoot(server.port, 'create or replace table alpha.counted (i int) engine = innodb')
      let draining: Promise<void> | undefined
      const drainOnce = (): void => {
        draining ??= gateway.gateway.drain({ deadlineMs: 2_500 })
      }
      const done = await Promise.all(Array.from({ length: 4 }, () => insertUntilEnd(gateway.port, drainOnce)))
      await draining
      const total = done.reduce((sum, n) => sum + n, 0)
      expect(Number(await asRoot(server.port, 'select count(*) from alpha.counted'))).toBe(total)
      expect(total).toBeGreaterThan(10)
    })
  })
})

/** Inserts with pauses between, as applications do; the number of inserts that were answered. */
async function insertUntilEnd(port: number, begun: () => void): Promise<number> {
  const { connection } = await connect(port)
  for (let count = 0; ; count++) {
    try {
      await connection.query('insert into counted values (1)')
    } catch {
      return count
    }
    if (count === 20) begun()
    await delay(1)
  }
}
