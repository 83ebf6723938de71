import { setTimeout as sleep } from 'node:timers/promises'
import { RawClient } from './raw.ts'

/** What became of one mail. */
export interface Fate {
  /** Replies 250 to its end. */
  acknowledged: number
  /** Times that its end was sent and no answer to it came, or one that is no 250: the backend may have taken it, or not. */
  uncertain: number
}

/**
 * Sends the mails `from` up to `to`, each until it is acknowledged, over one connection as long as that lasts. A refusal for good
 * (5xx) throws. `told` is called for each that is acknowledged.
 */
export async function persist(
  port: number,
  tenant: string,
  ids: Iterator<number>,
  told: () => void,
): Promise<Map<number, Fate>> {
  const fates = new Map<number, Fate>()
  let client: RawClient | undefined
  for (let next = ids.next(); next.done !== true; next = ids.next()) {
    const fate = { acknowledged: 0, uncertain: 0 }
    fates.set(next.value, fate)
    while (fate.acknowledged === 0) {
      client ??= await open(port, tenant)
      if (client !== undefined && (await submit(client, tenant, next.value, fate))) break
      await client?.[Symbol.asyncDispose]()
      client = undefined
      await sleep(20)
    }
    told()
  }
  if (client !== undefined) await leave(client)
  return fates
}

async function open(port: number, tenant: string): Promise<RawClient | undefined> {
  const client = await RawClient.connect(port)
  if (accepts(await client.reply()) && accepts(await client.command(`EHLO ${tenant}`))) return client
  await client[Symbol.asyncDispose]()
  return undefined
}

/** False when the connection is of no use any more. */
async function submit(client: RawClient, tenant: string, id: number, fate: Fate): Promise<boolean> {
  const envelope = [`MAIL FROM:<mail-${id}@client.test>`, `RCPT TO:<bob@${tenant}>`, 'DATA']
  const replies = await client.pipeline(envelope)
  if (!replies.every(accepts)) return false
  // Counted before it is sent: it may arrive whatever becomes of the connection.
  fate.uncertain++
  const answer = await client.command(`Subject: ${id}\r\nMessage-ID: <${id}@client.test>\r\n\r\n${'x'.repeat(70)}\r\n.`)
  if (!accepts(answer)) return false
  fate.uncertain--
  fate.acknowledged++
  return true
}

async function leave(client: RawClient): Promise<void> {
  await client.command('QUIT')
  await client[Symbol.asyncDispose]()
}

/** A reply for good would be wrong whatever happens to the backend. */
function accepts(reply: string): boolean {
  if (reply.startsWith('5')) throw new Error(`refused for good: ${reply}`)
  return /^[23]/.test(reply)
}
