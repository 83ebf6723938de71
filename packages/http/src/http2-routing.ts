import { type Backend, GatewayError } from '@proxy/kernel'
import type { Http2Connection } from './http2-connection.ts'
import type { Http2Request } from './http2-request.ts'
import type { HttpAnswer } from './options.ts'

/** Finds who answers the requests of a connection: the operator's own code, or a backend that the resolver names. */
export class Http2Routing {
  readonly #connection: Http2Connection

  constructor(connection: Http2Connection) {
    this.#connection = connection
  }

  start(request: Http2Request): void {
    const { directResponse, onRequest } = this.#connection.protocol.settings
    if (directResponse !== undefined) return request.answer(directResponse)
    if (onRequest === undefined) return this.#resolve(request)
    try {
      const answer = onRequest(request.describe())
      if (!(answer instanceof Promise)) return this.#asked(request, answer)
      answer.then(
        (late) => this.#asked(request, late),
        (error: unknown) => request.fail(GatewayError.from(error)),
      )
    } catch (error) {
      request.fail(GatewayError.from(error))
    }
  }

  #asked(request: Http2Request, answer: HttpAnswer | undefined): void {
    if (request.over) return
    if (answer === undefined) this.#resolve(request)
    else request.answer(answer)
  }

  #resolve(request: Http2Request): void {
    const { protocol, session } = this.#connection
    try {
      if (request.key === '' && !protocol.fixed) throw new GatewayError('PROXY_NO_KEY')
      const backend: Backend | Promise<Backend> = protocol.resolve(session, request.key)
      if (!(backend instanceof Promise)) return request.onBackend(backend)
      backend.then(
        (late) => request.onBackend(late),
        (error: unknown) => request.fail(GatewayError.from(error)),
      )
    } catch (error) {
      request.fail(GatewayError.from(error))
    }
  }
}
