import { createConnection, type RowDataPacket } from 'mysql2/promise'
import type { Address } from './subject.ts'

const login = { user: 'demo', password: 'demo', database: 'bench' }

/** sysbench looks at no row that it selects: this does, at all of them, and compares them with those of the backend. */
export async function checkTable(through: Address, backend: Address): Promise<void> {
  const [mine, theirs] = await Promise.all([rowsOf(through), rowsOf(backend)])
  const wrong = theirs.findIndex((row, index) => JSON.stringify(row) !== JSON.stringify(mine[index]))
  if (mine.length !== theirs.length || wrong >= 0) throw new Error(`row ${wrong} of ${theirs.length} is wrong`)
}

async function rowsOf({ host, port }: Address): Promise<RowDataPacket[]> {
  const connection = await createConnection({ ...login, host, port })
  try {
    return (await connection.query<RowDataPacket[]>('SELECT * FROM sbtest1 ORDER BY id'))[0]
  } finally {
    await connection.end()
  }
}
