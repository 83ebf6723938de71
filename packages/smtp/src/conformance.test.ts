import assert from 'node:assert/strict'
import { type Peer, type ProtocolConformance, type ProtocolFixture, protocolConformance, until } from '@proxy/testkit'
import type { SmtpOptions } from './options.ts'
import { smtp } from './smtp.ts'

type Exchange = readonly [command: string, reply: string]

const greeting = (kind: string): string => `220 gateway.invalid ${kind}\r\n`
const hello = '250-mx.inside.example at your service\r\n250-PIPELINING\r\n250-XCLIENT NAME ADDR\r\n250 8BITMIME\r\n'

/** Greets, and answers a command once it is complete. */
function serving(exchanges: readonly Exchange[]) {
  return async (backend: Peer): Promise<void> => {
    backend.write('220 mx.inside.example ESMTP\r\n')
    let heard = 0
    for (const [command, reply] of exchanges) {
      heard += command.length
      await until(() => backend.receivedBytes >= heard || backend.ended || backend.closed, command)
      if (backend.ended || backend.closed) return
      backend.write(reply)
    }
  }
}

/** What the client reads after a command: the reply it hopes for, a refusal, or the end. */
async function answered(client: Peer, reply: string): Promise<'as hoped' | 'refused' | 'closed'> {
  let text = ''
  await until(
    () => {
      text = client.received.toString('latin1')
      return text.endsWith(reply) || /(^|\n)[45]\d\d [^\n]*\n$/.test(text) || client.ended || client.closed
    },
    () => `${reply}; there is ${text}`,
  )
  if (text.endsWith(reply)) return 'as hoped'
  return client.ended || client.closed ? 'closed' : 'refused'
}

/** A client that leaves when it is refused, as clients do. */
async function speak(client: Peer, exchanges: readonly Exchange[]): Promise<void> {
  for (const [command, reply] of exchanges) {
    if (command !== '') client.write(command)
    const answer = await answered(client, reply)
    if (answer === 'as hoped') continue
    if (answer === 'refused') client.write('QUIT\r\n')
    return
  }
}

const own = (...lines: readonly string[]): string => {
  const all = ['gateway.invalid', ...lines]
  return all.map((line, i) => `250${i === all.length - 1 ? ' ' : '-'}${line}\r\n`).join('')
}
const offered = own('PIPELINING', '8BITMIME')
const local = own('PIPELINING', '8BITMIME', 'ENHANCEDSTATUSCODES')

interface Script {
  readonly name: string
  readonly key: string
  readonly helo: string
  readonly kind?: string
  readonly client: readonly Exchange[]
  readonly backend: readonly Exchange[]
}

function fixture({ name, key, helo, kind = 'ESMTP', client, backend }: Script): ProtocolFixture {
  return {
    name,
    client: (peer) => speak(peer, [['', greeting(kind)], ...client]),
    key,
    attributes: { helo },
    backend: backend.map(([command]) => command).join(''),
    serve: serving(backend),
    established: client.at(-1)![1],
  }
}

/** Every line is a reply; the last but a goodbye says no. */
function refusal(bytes: Buffer, code: string): void {
  const text = bytes.toString('latin1')
  const unread = ['PROXY_TLS_HANDSHAKE', 'PROXY_PROXY_HEADER'].includes(code)
  if (unread && (text === '' || text.startsWith('451 4.3.2'))) return
  assert.match(text, /^[45]\d\d [45]\.\d\.\d{1,2} [\x20-\x7e]+\r\n(221 [\x20-\x7e]+\r\n)?$/)
  if (text.startsWith('421')) assert.doesNotMatch(text, /221 /)
}

function conformance(options: SmtpOptions, subject: Omit<ProtocolConformance, 'protocol' | 'refusal'>): void {
  const reason = 'replies belong to commands, and a side that ends without QUIT has left: see dialogue.test.ts'
  protocolConformance({
    protocol: () => smtp(options),
    refusal,
    late: '421 4.3.2 mx.inside is going down\r\n',
    ready: {
      serving: serving([['QUIT\r\n', '221 2.0.0 bye\r\n']]),
      notReady: {
        'is overloaded': (backend) => backend.end('421 4.3.2 try later\r\n'),
        'takes no mail': (backend) => backend.end('554 5.3.2 no mail here\r\n'),
      },
    },
    skip: { 'half-close: the client ends first': reason, 'half-close: the backend ends first': reason },
    ...subject,
  })
}

const envelope: readonly Exchange[] = [
  ['MAIL FROM:<>\r\n', '250 2.1.0 Ok\r\n'],
  ['RCPT TO:<bob@gamma.example>\r\n', '250 2.1.5 Ok\r\n'],
]

conformance(
  {},
  {
    name: 'smtp conformance',
    fixtures: [
      fixture({
        name: 'EHLO',
        key: 'alpha.example',
        helo: 'Alpha.example.',
        client: [['EHLO Alpha.example.\r\n', offered]],
        backend: [['EHLO Alpha.example.\r\n', hello]],
      }),
      fixture({
        name: 'HELO, after what needs no tenant',
        key: 'beta.example',
        helo: 'beta.example',
        client: [
          ['NOOP\r\n', '250 2.0.0 Ok\r\n'],
          ['helo beta.example\r\n', own()],
        ],
        backend: [['HELO beta.example\r\n', '250 mx.inside.example\r\n']],
      }),
      fixture({
        name: 'a client that does not wait',
        key: 'gamma.example',
        helo: 'gamma.example',
        client: [
          [
            `EHLO gamma.example\r\n${envelope.map(([command]) => command).join('')}`,
            `${offered}${envelope.map(([, reply]) => reply).join('')}`,
          ],
        ],
        backend: [['EHLO gamma.example\r\n', hello], ...envelope],
      }),
    ],
  },
)

conformance(
  { keys: ['recipient'], lmtp: true },
  {
    name: 'lmtp conformance, by recipient',
    fixtures: [
      fixture({
        name: 'LHLO',
        key: 'gamma.example',
        helo: 'client.example',
        kind: 'LMTP',
        client: [['LHLO client.example\r\n', local], ...envelope],
        backend: [['LHLO client.example\r\n', hello], ...envelope],
      }),
    ],
    secure: {
      before: async (client) => {
        await speak(client, [['', greeting('LMTP')]])
        client.write('LHLO client.example\r\n')
        await until(() => /\n250 [^\n]*\n$/.test(client.received.toString()), 'the reply to LHLO')
      },
      command: 'STARTTLS\r\n',
      goAhead: '220 2.0.0 Ready to start TLS\r\n',
      fixture: {
        name: 'within TLS',
        client: (peer) => speak(peer, [['LHLO client.example\r\n', local], ...envelope]),
        key: 'gamma.example',
        backend: 'LHLO client.example\r\nMAIL FROM:<>\r\nRCPT TO:<bob@gamma.example>\r\n',
        serve: serving([['LHLO client.example\r\n', hello], ...envelope]),
        established: '250 2.1.5 Ok\r\n',
      },
    },
  },
)
