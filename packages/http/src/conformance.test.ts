import assert from 'node:assert/strict'
import { type Peer, protocolConformance, type ProtocolFixture } from '@proxy/testkit'
import { http } from './http.ts'

const forwarded = (host: string): string =>
  `X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: ${host}\r\n\r\n`

const switching = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: chat\r\n\r\n'

/** After a 101 an HTTP session is a relay like that of any other protocol. */
const upgrade: ProtocolFixture = {
  name: 'upgrade',
  client:
    'GET /chat HTTP/1.1\r\nHost: Alpha.example:8080\r\nConnection: close, Upgrade\r\nUpgrade: chat\r\nX-A: b\r\n\r\n',
  key: 'alpha.example',
  backend: `GET /chat HTTP/1.1\r\nHost: Alpha.example:8080\r\nUpgrade: chat\r\nX-A: b\r\nConnection: Upgrade\r\n${forwarded('Alpha.example:8080')}`,
  serve: async (backend) => {
    await backend.receives('\r\n\r\n')
    backend.write(switching)
  },
  established: switching,
}

const get: ProtocolFixture = {
  name: 'GET',
  client: 'GET /a?b HTTP/1.1\r\nHost: beta.example\r\nAccept: */*\r\nConnection: close\r\n\r\n',
  key: 'beta.example',
  backend: `GET /a?b HTTP/1.1\r\nHost: beta.example\r\nAccept: */*\r\n${forwarded('beta.example')}`,
}

const post: ProtocolFixture = {
  name: 'POST with chunks',
  client:
    'POST / HTTP/1.1\r\nHost: gamma.example\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n',
  key: 'gamma.example',
  backend: `POST / HTTP/1.1\r\nHost: gamma.example\r\nTransfer-Encoding: chunked\r\n${forwarded('gamma.example')}5;x=y\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n`,
}

/** Answers a probe. */
const answering =
  (answer: string) =>
  async (backend: Peer): Promise<void> => {
    try {
      await backend.receives('\r\n\r\n')
      backend.write(answer)
    } catch {
      // The probe has been given up.
    }
  }

protocolConformance({
  protocol: () => http({ readyPath: '/healthz' }),
  fixtures: [upgrade, get, post],
  ready: {
    serving: answering('HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n'),
    notReady: {
      'is overloaded': answering('HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\n\r\n'),
      'does not know the path': answering('HTTP/1.1 404 Not Found\r\nContent-Length: 9999999\r\n\r\nxxx'),
    },
  },
  refusal: (bytes) => {
    const [head = '', body = '', ...rest] = bytes.toString('latin1').split('\r\n\r\n')
    assert.match(head, /^HTTP\/1\.1 [45]\d\d [A-Z][A-Za-z ]+\r\n/)
    assert.match(head, /\r\nConnection: close/)
    assert.match(head, new RegExp(`\r\nContent-Length: ${Buffer.byteLength(body, 'latin1')}(\r\n|$)`))
    assert.equal(typeof JSON.parse(body).status, 'number')
    assert.deepEqual(rest, [])
  },
  oversize: [
    'GET / HTTP/1.1\r\nHost: alpha.example\r\nX-A: ',
    'GET /',
    'POST / HTTP/1.1\r\nHost: alpha.example\r\nTransfer-Encoding: chunked\r\n\r\n5;',
  ],
})
