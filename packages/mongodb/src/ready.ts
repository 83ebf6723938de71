import { GatewayError, type TlsMode, type Upstream } from '@proxy/kernel'
import { helloForBackend } from './hello.ts'
import { askHello } from './startup.ts'

const hello: Buffer = helloForBackend(undefined, undefined)

/**
 * Whether the server answers a hello. One in recovery does, and says that it takes no commands: so does one that shuts down. One whose
 * TLS is passed through has no ear for it: that it takes connections is all there is to know.
 */
export async function ready(upstream: Upstream, _signal: AbortSignal, tlsMode: TlsMode): Promise<void> {
  if (tlsMode === 'passthrough') return
  const { ok, code } = await askHello(upstream, hello)
  if (!ok) throw new GatewayError('PROXY_BACKEND_NOT_READY', { cause: new Error(`error ${code}`) })
}
