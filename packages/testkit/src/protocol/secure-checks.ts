import assert from 'node:assert/strict'
import { show, toBuffer } from '../bytes.ts'
import type { Check } from '../check.ts'
import type { Peer } from '../peer.ts'
import { secureAsClient, testTls } from '../tls/test-tls.ts'
import { settle } from '../waiting.ts'
import { type Stage, speak, staged } from './stage.ts'
import type { ProtocolSubject, SecureFixture } from './subject.ts'

/** Connects, and says what comes before the command. */
async function begin(stage: Stage, { before }: SecureFixture): Promise<Peer> {
  const client = await stage.connect()
  await before?.(client)
  return client
}

/** What an attacker on the way would like the gateway to take for the client's own words inside TLS. */
function injected({ fixture }: SecureFixture): Buffer {
  return typeof fixture.client === 'function' ? Buffer.from('injected\r\n') : toBuffer(fixture.client)
}

/** The client does not know of the injection: when it is invited, it goes on. */
async function handshakeAnyway(client: Peer, { goAhead }: SecureFixture): Promise<void> {
  await settle()
  const invited = client.received.subarray(-goAhead.length).equals(toBuffer(goAhead))
  if (!invited || client.ended || client.closed) return
  await secureAsClient(client).catch(() => undefined)
  await settle()
}

async function demandClosed(stage: Stage, client: Peer): Promise<void> {
  await stage.pass(15_000, () => client.link.ended || client.link.closed)
  const closed = client.link.ended || client.link.closed
  client.end()
  await settle()
  assert.equal(stage.requests.length, 0, 'plain bytes from before secure() were taken for the secured ones')
  assert.ok(closed, 'the connection must be closed: plain bytes came where TLS was due')
}

const checks: readonly Check<ProtocolSubject>[] = [
  {
    name: 'the route is found inside TLS, and everything after the go-ahead is encrypted',
    run: async (subject) => {
      const { secure } = subject
      if (secure === undefined) return
      await staged(subject, { tls: testTls() }, async (stage) => {
        const plain = await begin(stage, secure)
        plain.write(secure.command)
        await plain.receives(secure.goAhead)
        const client = await secureAsClient(plain, 'alpha.example')
        stage.clients.push(client)
        const { backend } = await stage.finish(secure.fixture, client, () => speak(secure.fixture, client))
        const had = client.receivedBytes
        const late = toBuffer(subject.late ?? 'for the client only')
        backend.write(late)
        await client.receivesBytes(had + late.length)
        assert.ok(client.received.subarray(had).equals(late), 'bytes of the backend changed on their way into TLS')
      })
    },
  },
  {
    name: 'no plaintext survives secure(): bytes behind the command in the same segment',
    run: async (subject) => {
      const { secure } = subject
      if (secure === undefined) return
      await staged(subject, { tls: testTls() }, async (stage) => {
        const client = await begin(stage, secure)
        client.write(Buffer.concat([toBuffer(secure.command), injected(secure)]))
        await handshakeAnyway(client, secure)
        await demandClosed(stage, client)
      })
    },
  },
  {
    name: 'no plaintext survives secure(): bytes after the go-ahead',
    run: async (subject) => {
      const { secure } = subject
      if (secure === undefined) return
      await staged(subject, { tls: testTls() }, async (stage) => {
        const client = await begin(stage, secure)
        client.write(secure.command)
        await client.receives(secure.goAhead)
        client.write(injected(secure))
        await demandClosed(stage, client)
      })
    },
  },
  {
    name: 'without TLS on the listener the command is not answered with a go-ahead',
    run: async (subject) => {
      const { secure } = subject
      if (secure === undefined) return
      await staged(subject, {}, async (stage) => {
        const client = await begin(stage, secure)
        const before = client.receivedBytes
        client.write(secure.command)
        await settle()
        const answer = client.received.subarray(before)
        assert.ok(!answer.equals(toBuffer(secure.goAhead)), `${show(answer)} invites to TLS that is not there`)
      })
    },
  },
]

const unless = ({ secure }: ProtocolSubject): string | undefined =>
  secure === undefined ? 'no in-band TLS is described' : undefined

/** Checks of in-band TLS. */
export const secureChecks: readonly Check<ProtocolSubject>[] = checks.map((check) => ({ ...check, unless }))
