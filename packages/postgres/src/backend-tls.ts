import { GatewayError, type Upstream } from '@proxy/kernel'
import { byteFramer, encodeRequest, requestCodes } from './wire.ts'

const sslRequest = encodeRequest(requestCodes.ssl)
const accepted = 0x53 // S

/** Asks the backend for TLS, and begins it, where the resolution says so. Throws `PROXY_BACKEND_TLS`. */
export async function requestBackendTls(upstream: Upstream): Promise<void> {
  if (upstream.backend.tls?.mode !== 'negotiated') return
  await askForTls(upstream)
  await upstream.secure()
}

/** Sends an SSLRequest and takes nothing but yes for an answer. */
export async function askForTls(upstream: Upstream): Promise<void> {
  await upstream.write(sslRequest)
  const answer = await upstream.read(byteFramer)
  if (answer[0] !== accepted) throw new GatewayError('PROXY_BACKEND_TLS')
}
