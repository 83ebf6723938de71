// A connection for each statement: connect, log in, select a row, quit; every answer is checked.
import { createConnection, type RowDataPacket } from 'mysql2/promise'
import { type Operations, runClient, type Work } from './client.ts'
import { database } from './documents.ts'

const login = { host: '127.0.0.1', user: 'demo', password: 'demo', database }

await runClient(async ({ port }: Work): Promise<Operations> => {
  const operation = async (lane: number): Promise<void> => {
    const connection = await createConnection({ ...login, port })
    const [rows] = await connection.query<RowDataPacket[]>('SELECT id FROM sbtest1 WHERE id = ?', [lane + 1])
    if (rows[0]?.['id'] !== lane + 1) throw new Error('a wrong row')
    await connection.end()
  }
  return { operation, end: async () => undefined }
})
