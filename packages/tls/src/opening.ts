import type { Duplex } from 'node:stream'
import { type ClientHello, GatewayError } from '@proxy/kernel'
import { clientHello } from './client-hello.ts'

/**
 * Reads the ClientHello off `stream` and leaves every byte of it there. The certificate is chosen before OpenSSL sees
 * the connection, because what it is chosen by (who must show a client certificate, whose sessions may be resumed)
 * cannot be changed any more from OpenSSL's own callback.
 */
export function peekOpening(stream: Duplex, signal: AbortSignal): Promise<ClientHello> {
  return new Promise((resolve, reject) => {
    new Opening(stream, signal, resolve, reject).begin()
  })
}

class Opening {
  readonly #stream: Duplex
  readonly #signal: AbortSignal
  readonly #resolve: (hello: ClientHello) => void
  readonly #reject: (error: GatewayError) => void
  #bytes: Buffer = Buffer.alloc(0)

  constructor(
    stream: Duplex,
    signal: AbortSignal,
    resolve: (hello: ClientHello) => void,
    reject: (error: GatewayError) => void,
  ) {
    this.#stream = stream
    this.#signal = signal
    this.#resolve = resolve
    this.#reject = reject
  }

  begin(): void {
    if (this.#signal.aborted) return this.#abort()
    if (this.#stream.destroyed) return this.#leave()
    this.#signal.addEventListener('abort', this.#abort)
    this.#stream.on('readable', this.#read).on('end', this.#leave).on('error', this.#leave).on('close', this.#leave)
    this.#read()
  }

  readonly #read = (): void => {
    for (let chunk = this.#next(); chunk !== null; chunk = this.#next()) {
      this.#bytes = this.#bytes.length === 0 ? chunk : Buffer.concat([this.#bytes, chunk])
      if (this.#tryParse()) return
    }
  }

  readonly #abort = (): void => this.#fail(GatewayError.from(this.#signal.reason, 'PROXY_TLS_HANDSHAKE'))

  readonly #leave = (): void => this.#fail(new GatewayError('PROXY_CLIENT_GONE'))

  #next(): Buffer | null {
    return this.#stream.read() as Buffer | null
  }

  /** True when it is over, one way or the other. */
  #tryParse(): boolean {
    try {
      const length = clientHello.framer(this.#bytes)
      if (length === 0 || length > this.#bytes.length) return false
      const hello = clientHello.parse(this.#bytes.subarray(0, length))
      this.#release()
      this.#stream.unshift(this.#bytes)
      this.#resolve(hello)
    } catch (error) {
      this.#fail(GatewayError.from(error))
    }
    return true
  }

  #fail(error: GatewayError): void {
    this.#release()
    this.#reject(error)
  }

  #release(): void {
    this.#signal.removeEventListener('abort', this.#abort)
    this.#stream.off('readable', this.#read).off('end', this.#leave).off('error', this.#leave).off('close', this.#leave)
  }
}
