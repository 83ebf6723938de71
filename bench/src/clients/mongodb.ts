// A driver in its default mode: find one document by its id, or insert one; every answer is checked.
import { MongoClient } from 'mongodb'
import { type Operations, runClient, type Work } from './client.ts'
import { database, documentCount, type Item, itemOf } from './documents.ts'

await runClient(async ({ mode, port, concurrency }: Work): Promise<Operations> => {
  const url = `mongodb://demo:demo@127.0.0.1:${port}/${database}`
  const client = new MongoClient(url, { maxPoolSize: concurrency })
  const items = client.db().collection<Item>('items')
  const inserted = client.db().collection('inserted')
  let turn = 0

  const find = async (): Promise<void> => {
    const wanted = itemOf(turn++ % documentCount)
    const found = await items.findOne({ _id: wanted._id })
    if (found?.text !== wanted.text) throw new Error(`document ${wanted._id} is not what was asked for`)
  }
  const insert = async (): Promise<void> => {
    const { acknowledged } = await inserted.insertOne({ text: itemOf(turn++ % documentCount).text })
    if (!acknowledged) throw new Error('an insert was not acknowledged')
  }
  const countInserted = async (): Promise<void> => {
    const count = await inserted.countDocuments()
    await inserted.deleteMany({})
    if (count !== turn) throw new Error(`${turn} documents were inserted, ${count} are in the collection`)
  }

  if (mode === 'insert') await inserted.deleteMany({})
  return {
    operation: mode === 'insert' ? insert : find,
    end: async () => {
      if (mode === 'insert') await countInserted()
      await client.close()
    },
  }
})
