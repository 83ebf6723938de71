import {
  type ClientHello,
  GatewayError,
  type Link,
  type ListenerTls,
  type Secured,
  type SecureRequest,
  type TlsInfo,
} from '@proxy/kernel'
import { Peer } from '../peer.ts'
import { RecordLink } from './record-link.ts'
import { handshakeRecord, open, recordLength, seal } from './records.ts'

export interface TestTlsOptions {
  /** Default `negotiated`. */
  readonly mode?: ListenerTls['mode'] | undefined
  readonly required?: boolean | undefined
}

const serverHello = Buffer.from('{"welcome":true}')

/**
 * TLS of a listener without cryptography: records, a hello each way, and bytes that are not plain text. For tests of
 * *when* a protocol secures a connection; {@link secureAsClient} is the other end.
 */
export function testTls(options: TestTlsOptions = {}): ListenerTls {
  return {
    mode: options.mode ?? 'negotiated',
    required: options.required ?? false,
    clientHello: { framer: helloLength, parse },
    secure: secureAsServer,
  }
}

/** The client's end: says hello on a peer that is attached and plain so far, and goes on inside. */
export async function secureAsClient(plain: Peer, serverName?: string): Promise<Peer> {
  const before = plain.receivedBytes
  const hello = Buffer.from(JSON.stringify({ serverName, alpn: [] }))
  plain.write(seal(handshakeRecord, hello))
  const answer = seal(handshakeRecord, serverHello)
  await plain.receivesBytes(before + answer.length)
  const beyond = plain.received.subarray(before + answer.length)
  if (!plain.received.subarray(before, before + answer.length).equals(answer)) {
    throw new Error('plain bytes were sent where the handshake must be')
  }
  return new Peer(new RecordLink(plain.link, beyond))
}

function helloLength(bytes: Buffer): number {
  const length = recordLength(bytes)
  if (bytes.length > 0 && bytes[0] !== handshakeRecord) throw new GatewayError('PROXY_TLS_HANDSHAKE')
  return length
}

function parse(bytes: Buffer): ClientHello {
  try {
    const { serverName, alpn } = JSON.parse(open(bytes).content.toString()) as ClientHello
    return { serverName, alpn }
  } catch (cause) {
    throw new GatewayError('PROXY_TLS_HANDSHAKE', { cause })
  }
}

async function secureAsServer(link: Link, request: SecureRequest): Promise<Secured> {
  const { bytes, rest } = await firstRecord(link, request)
  const { serverName } = parse(bytes)
  link.write(seal(handshakeRecord, serverHello))
  const tls: TlsInfo = { version: 'TLSv1.3', cipher: 'NONE', serverName, alpn: undefined, certificate: undefined }
  return { link: new RecordLink(link, rest), tls }
}

/** Reads the client's hello; the link is paused afterwards. */
function firstRecord(link: Link, request: SecureRequest): Promise<{ bytes: Buffer; rest: Buffer }> {
  return new Promise((resolve, reject) => {
    let unread = Buffer.from(request.unread)
    const fail = (error: unknown): void => reject(GatewayError.from(error, 'PROXY_TLS_HANDSHAKE'))
    const look = (): void => {
      try {
        const length = helloLength(unread)
        if (length === 0 || length > unread.length) return
        link.pause()
        resolve({ bytes: unread.subarray(0, length), rest: unread.subarray(length) })
      } catch (error) {
        link.pause()
        fail(error)
      }
    }
    const onData = (_link: Link, bytes: Buffer): void => {
      unread = Buffer.concat([unread, bytes])
      look()
    }
    const gone = (): void => fail(new GatewayError('PROXY_CLIENT_GONE'))
    link.attach({ onData, onDrain: () => undefined, onEnd: gone, onClose: gone })
    request.signal.addEventListener('abort', () => fail(request.signal.reason))
    look()
    link.resume()
  })
}
