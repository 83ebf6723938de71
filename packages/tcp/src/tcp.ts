import {
  type Framer,
  GatewayError,
  type Protocol,
  protocolByName,
  type ProtocolFacts,
  type RelayOptions,
  type Session,
  type Upstream,
} from '@proxy/kernel'
import type { TcpOptions } from './options.ts'
import { refusal } from './refusals.ts'
import { routeKey } from './route-key.ts'

const tlsRecordHandshake = 22
const firstByte: Framer = () => 1

/**
 * Routes a protocol that has no package of its own: by a fixed `key` for each listener, by a key that `extract` finds in
 * the first bytes, or by the TLS server name, whether TLS is ended here or passed through. Then bytes are relayed as they
 * are. In `negotiated` mode TLS begins when the client begins it. Throws `PROXY_CONFIG_INVALID`.
 */
export function tcp(options: TcpOptions = {}): Protocol {
  const { name = 'tcp', detect = detector(options) } = options
  const facts = factsOf(name)
  checkOrder(facts, options)
  const relayOptions = { idleTimeoutMs: options.idleTimeoutMs }
  return {
    api: 1,
    name,
    speaksFirst: facts.speaksFirst,
    defaultPort: facts.port,
    alpn: options.alpn,
    halfClose: true,
    serve: (session) => serve(session, facts, options, relayOptions),
    refuse: (error, session) => refusal(name, error, session),
    ...(detect === undefined ? {} : { detect }),
  }
}

function factsOf(name: string): ProtocolFacts {
  const facts = protocolByName(name)
  if (facts === undefined) throw invalid(`'${name}' is not the name of a protocol; use 'tcp' for one without a name`)
  return facts
}

/** What waits for the client's first bytes would wait for ever where the client waits for the server's. */
function checkOrder({ name, speaksFirst }: ProtocolFacts, { key, extract, transform, detect }: TcpOptions): void {
  if (key === '') throw invalid('key is empty')
  if (key !== undefined && extract !== undefined) throw invalid('key and extract exclude each other')
  if (speaksFirst === 'client') return
  const wrong = Object.entries({ extract, transform, detect }).find(([, option]) => option !== undefined)?.[0]
  if (wrong === undefined) return
  throw invalid(`${wrong} does not go with ${name}, whose server speaks first: route it by TLS server name or by key`)
}

function detector({ extract }: TcpOptions): Protocol['detect'] {
  if (extract === undefined) return undefined
  return (prefix) => {
    try {
      return extract(prefix, undefined) === undefined ? undefined : true
    } catch {
      return false
    }
  }
}

async function serve(
  session: Session,
  facts: ProtocolFacts,
  options: TcpOptions,
  relayOptions: RelayOptions,
): Promise<void> {
  if (session.tlsMode === 'negotiated') await secureIfBegun(session, facts)
  const { key, attributes } = await routeKey(session, options)
  const { transform } = options
  const message = transform === undefined ? undefined : await session.client.read(transform.frame)
  const upstream = await session.route(key, attributes)
  checkTls(upstream)
  if (transform !== undefined && message !== undefined) {
    await upstream.write(transform.apply(message, upstream.backend))
  }
  session.handOver(upstream, relayOptions)
}

/** Without a protocol's own way to ask for TLS, its first byte tells whether a client has begun it. */
async function secureIfBegun({ client, tlsRequired }: Session, { speaksFirst }: ProtocolFacts): Promise<void> {
  const opening = speaksFirst === 'client' ? await client.peek(firstByte) : undefined
  if (opening?.[0] === tlsRecordHandshake) await client.secure()
  else if (tlsRequired) throw new GatewayError('PROXY_TLS_REQUIRED')
}

/** Relaying all the same would send in plain what the resolver wants encrypted. */
function checkTls({ backend }: Upstream): void {
  if (backend.tls?.mode !== 'negotiated') return
  throw new GatewayError('PROXY_BACKEND_TLS', { message: 'this protocol has no way to ask the backend for TLS' })
}

function invalid(why: string): GatewayError {
  return new GatewayError('PROXY_CONFIG_INVALID', { message: `tcp: ${why}` })
}
