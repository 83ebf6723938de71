import { memoryTransport, transportConformance } from '@proxy/testkit'
import type { Link, Transport } from '../contracts.ts'
import { streamLink } from './over-stream.ts'

const wrapped = (link: Link): Link => streamLink(link.socket(), link)

/** A transport whose links are Node streams inside, as those of TLS are. */
function overStreams(inner: Transport): Transport {
  return {
    name: 'streams',
    listen: (options, acceptor) =>
      inner.listen(options, {
        onLink: (link) => acceptor.onLink(wrapped(link)),
        onError: (error) => acceptor.onError(error),
      }),
    connect: async (options, signal) => wrapped(await inner.connect(options, signal)),
  }
}

transportConformance({ name: 'links over streams', transport: () => overStreams(memoryTransport()) })
