import assert from 'node:assert/strict'
import { type Peer, type ProtocolFixture, protocolConformance } from '@proxy/testkit'
import { smtp } from './smtp.ts'

const greeting = '220 gateway.invalid ESMTP\r\n'
const ehloReply = '250-mx.inside.example at your service\r\n250-PIPELINING\r\n250-XCLIENT NAME ADDR\r\n250 8BITMIME\r\n'

/** Greets, and answers one line after the other. */
function serving(...answers: readonly string[]) {
  return async (backend: Peer): Promise<void> => {
    try {
      backend.write('220 mx.inside.example ESMTP\r\n')
      let lines = 0
      for (const answer of answers) {
        lines++
        while (backend.received.toString('latin1').split('\r\n').length <= lines) await backend.take(1)
        backend.write(answer)
      }
    } catch {
      // The client of this check has left in the middle.
    }
  }
}

/** A client that leaves when it is refused, as clients do. */
async function speak(client: Peer, dialogue: readonly (readonly [string, string])[]): Promise<void> {
  await client.receives(greeting)
  for (const [command, reply] of dialogue) {
    client.write(command)
    await answered(client, reply)
    if (!client.received.subarray(-reply.length).equals(Buffer.from(reply))) return void client.write('QUIT\r\n')
  }
}

async function answered(client: Peer, reply: string): Promise<void> {
  const from = client.receivedBytes
  await client.take(from - client.receivedBytes + 1).catch(() => undefined)
  while (!client.ended && !client.closed) {
    const text = client.received.toString('latin1')
    if (text.endsWith(reply) || /(^|\n)[45]\d\d [^\n]*\n$/.test(text)) return
    await client.take(1)
  }
}

export const fixtures: readonly ProtocolFixture[] = []
void ehloReply
void serving
void speak
void assert
void protocolConformance
void smtp
