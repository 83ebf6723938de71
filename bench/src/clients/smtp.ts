// One message after the other on connections that stay open.
import { createTransport } from 'nodemailer'
import { type Operations, runClient, type Work } from './client.ts'

const text = `${'0123456789'.repeat(7)}\r\n`.repeat(50)

await runClient(async ({ port, concurrency }: Work): Promise<Operations> => {
  const transport = createTransport({
    pool: true,
    host: '127.0.0.1',
    port,
    name: 'alpha.localhost',
    ignoreTLS: true,
    maxConnections: concurrency,
    maxMessages: Number.POSITIVE_INFINITY,
  })
  const operation = async (): Promise<void> => {
    const { accepted } = await transport.sendMail({ from: 'a@x.test', to: 'b@alpha.localhost', text })
    if (accepted.length !== 1) throw new Error('a recipient was not accepted')
  }
  return { operation, end: async () => transport.close() }
})
