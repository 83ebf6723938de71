import { GatewayError, type Upstream } from '@proxy/kernel'
import { codeOf, replyFramer } from './reply-reader.ts'

/** Whether the server greets with 220. It is told goodbye, so that it notes no lost connection. */
export async function ready(upstream: Upstream): Promise<void> {
  const code = codeOf(await upstream.read(replyFramer), 0)
  if (code !== 220) throw new GatewayError('PROXY_BACKEND_NOT_READY', { cause: new Error(`greeting ${code}`) })
  await upstream.write('QUIT\r\n')
  await upstream.read(replyFramer).catch(() => undefined)
}
