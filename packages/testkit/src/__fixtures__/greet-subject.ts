import assert from 'node:assert/strict'
import type { ProtocolSubject } from '../protocol/subject.ts'
import { greet } from './greet.ts'

const hello = { name: 'hello', client: 'HELLO alpha\r\n', key: 'alpha', backend: 'HELLO alpha\r\n' }

/** What the kit is told about the sample protocol. */
export const greetSubject: ProtocolSubject = {
  protocol: greet,
  fixtures: [
    { ...hello, attributes: { via: 'hello' } },
    { name: 'pipelined', client: 'HELLO beta-2\r\nmore', key: 'beta-2', backend: 'HELLO beta-2\r\nmore' },
    {
      name: 'with an answer',
      client: async (client) => {
        client.write('HELLO ')
        client.write('gamma\r\n')
      },
      key: 'gamma',
      backend: 'HELLO gamma\r\n',
      serve: (backend) => backend.write('+OK\r\n'),
      established: '+OK\r\n',
    },
  ],
  refusal: (bytes) => assert.match(bytes.toString('latin1'), /^-ERR [^\r\n]+\r\n$/),
  ready: {
    serving: (peer) => peer.write('+PONG\r\n'),
    notReady: { 'is loading': (peer) => peer.write('-LOADING\r\n') },
  },
  secure: { command: 'STARTTLS\r\n', goAhead: '+GO\r\n', fixture: { ...hello, name: 'hello inside TLS' } },
}
