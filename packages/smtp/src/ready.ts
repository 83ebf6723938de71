import { GatewayError, type TlsMode, type Upstream } from '@proxy/kernel'
import { codeOf, replyFramer } from './reply-reader.ts'

/**
 * Whether the server greets with 220. It is told goodbye, so that it notes no lost connection. One whose TLS is passed through says
 * nothing before a ClientHello: that it takes connections is all there is to know.
 */
export async function ready(upstream: Upstream, _signal: AbortSignal, tlsMode: TlsMode): Promise<void> {
  if (tlsMode === 'passthrough') return
  const code = codeOf(await upstream.read(replyFramer), 0)
  if (code !== 220) throw new GatewayError('PROXY_BACKEND_NOT_READY', { cause: new Error(`greeting ${code}`) })
  await upstream.write('QUIT\r\n')
  await upstream.read(replyFramer).catch(() => undefined)
}
