import { GatewayError, type Upstream } from '@proxy/kernel'
import { helloForBackend } from './hello.ts'
import { askHello } from './startup.ts'

const hello: Buffer = helloForBackend(undefined, undefined)

/** Whether the server answers a hello. One in recovery does, and says that it takes no commands: so does one that shuts down. */
export async function ready(upstream: Upstream): Promise<void> {
  const { ok, code } = await askHello(upstream, hello)
  if (!ok) throw new GatewayError('PROXY_BACKEND_NOT_READY', { cause: new Error(`error ${code}`) })
}
