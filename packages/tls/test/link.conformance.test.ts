import { type Link, nodeTransport, type Transport } from '@proxy/kernel'
import { certificateAuthority } from '@proxy/test-servers'
import { transportUnderTest } from '@proxy/test-servers/transport'
import { transportConformance } from '@proxy/testkit'
import { afterAll } from 'vitest'
import { backendTls, tls } from '../src/index.ts'

const authority = certificateAuthority()
afterAll(() => authority.dispose())

const leaf = authority.server({ name: 'localhost' })
const server = tls({ certificates: [leaf] })
const client = backendTls()
const request = { unread: Buffer.alloc(0), alpn: [], signal: new AbortController().signal }

/** A transport of which every link is one end of TLS. */
function secured(inner: Transport): Transport {
  return {
    name: 'tls',
    listen: (options, acceptor) =>
      inner.listen(options, {
        onLink: (link: Link) => {
          server.secure(link, request).then(
            (made) => acceptor.onLink(made.link),
            () => link.destroy(),
          )
        },
        onError: (error) => acceptor.onError(error),
      }),
    connect: async (options, signal) => {
      const link = await inner.connect(options, signal)
      return (await client.secure(link, { mode: 'implicit', insecure: true }, 'localhost', { ...request, signal })).link
    },
  }
}

const encrypted = 'a link over TLS counts the bytes that go over the wire'

transportConformance({
  name: 'links over TLS',
  transport: () => secured(transportUnderTest() ?? nodeTransport()),
  skip: {
    'the counters count the bytes': encrypted,
    'after socket() the counters stay right and destroy works': encrypted,
  },
})
