import type { GatewayError, RequestTrace, Session } from '@proxy/kernel'
import { answerFields, bodyOf } from './answers.ts'
import { parseTrailers } from './body.ts'
import { traceLines } from './headers.ts'
import type { Http2Connection } from './http2-connection.ts'
import {
  forwardedFields,
  forwardedTail,
  http1Head,
  type Http2Head,
  type Pair,
  writeFields,
  writeHead,
} from './http2-head.ts'
import { callRefusalFields, refusalFields } from './http2-refusal.ts'
import type { Http2Stream } from './http2-stream.ts'
import type { MessageHead } from './message.ts'
import type { HttpAnswer, HttpRequest } from './options.ts'
import { refusalOf } from './refusals.ts'
import { RequestReport } from './request-report.ts'
import { followHttp2 } from './trace-context.ts'

const grpc = /^application\/grpc(?:$|[+;])/i
const noPairs: readonly Pair[] = []
const empty: Buffer = Buffer.alloc(0)

/** The client's side of a request on a stream: what it asked, and what it is answered, whoever answers. */
export abstract class Http2Answering {
  readonly isHead: boolean
  readonly stream: Http2Stream
  readonly head: Http2Head
  readonly isGrpc: boolean
  /** The resource id. */
  key = ''
  /** As it goes to the backend. */
  host = ''
  protected readonly connection: Http2Connection
  /** Absent when nobody asks. */
  protected readonly report: RequestReport | undefined = undefined
  /** Where the request is followed: what its backend is told. */
  protected trace: RequestTrace | undefined = undefined
  /** The time of the last progress. */
  protected active: number

  constructor(connection: Http2Connection, stream: Http2Stream, head: Http2Head) {
    const { protocol } = connection
    this.connection = connection
    this.stream = stream
    this.head = head
    this.isHead = head.method === 'HEAD'
    this.isGrpc = head.contentType !== '' && grpc.test(head.contentType)
    this.active = protocol.now
    if (!protocol.observed) return
    this.report = new RequestReport(protocol)
    this.report.begin(true, 0)
  }

  get session(): Session {
    return this.connection.session
  }

  /** Reads the head. A string says what is wrong with it. */
  protected readHead(): string | undefined {
    const { authority, problem } = this.head
    if (authority === undefined) return ':authority and Host differ'
    if (this.head.method === 'CONNECT') return undefined
    if (problem !== undefined) return problem
    const key = this.connection.keyOf(authority)
    if (key === undefined) return ':authority'
    this.trace = followHttp2(this.connection.protocol.settings, this.session, this.head)
    if (this.report !== undefined) this.report.trace = this.trace
    this.host = authority
    this.key = key
    return undefined
  }

  /** What the `onRequest` hook is told. */
  describe(): HttpRequest {
    const { client, id } = this.connection.session
    const { method = '', path: target = '' } = this.head
    const headers = forwardedFields(this.head, this.trace !== undefined)
    return { method, target, headers, host: this.key, client: client.peer, tls: client.tls, session: id }
  }

  /** The request as the HTTP/2 backend gets it. */
  get forwardFields(): Pair[] {
    const tail = parseTrailers(this.#tail)
    return [...forwardedFields(this.head, this.trace !== undefined), ...tail]
  }

  /** The lines that the gateway adds, and the end of the head. */
  get #tail(): string {
    const tail = forwardedTail(this.head, this.connection.forwarder, this.host)
    return this.trace === undefined ? tail : traceLines(this.trace) + tail
  }

  /** And as an HTTP/1.1 backend gets it. */
  protected http1Head(chunked: boolean): string {
    return http1Head(this.head, this.host, chunked, this.trace !== undefined, this.#tail)
  }

  /** There has been progress. */
  touch(): void {
    this.active = this.connection.protocol.now
  }

  /** 1xx. */
  onInterim(head: MessageHead, bytes: Buffer): void {
    if (this.stream.closed || this.stream.headersSent) return
    writeHead(this.connection.streams, head, bytes, noPairs)
    this.connection.streams.sendHead(this.stream, false)
  }

  /** The same from elsewhere. */
  interim(status: number, fields: readonly Pair[]): void {
    if (this.stream.closed || this.stream.headersSent) return
    writeFields(this.connection.streams, status, fields)
    this.connection.streams.sendHead(this.stream, false)
  }

  /** The head of a backend's response. `endStream`: that is all. */
  protected respondWith(head: MessageHead, bytes: Buffer, endStream: boolean): void {
    writeHead(this.connection.streams, head, bytes, this.#begin(head.status))
    this.#sendHead(endStream)
  }

  /** The same from elsewhere. */
  respond(status: number, fields: readonly Pair[], endStream: boolean): void {
    if (this.stream.closed) return
    const added = this.#begin(status)
    writeFields(this.connection.streams, status, added.length === 0 ? fields : [...fields, ...added])
    this.#sendHead(endStream)
  }

  /** Returns what the gateway adds to the head. */
  #begin(status: number): readonly Pair[] {
    const { report } = this
    this.touch()
    if (report === undefined) return noPairs
    if (report.endpoint !== undefined) report.answered(false)
    report.status = status
    if (!this.connection.protocol.settings.telemetryHeaders) return noPairs
    return [
      ['x-proxy-session', this.session.id],
      ['x-proxy-key', this.key],
      ['x-proxy-duration-ms', String(report.durationMs)],
    ]
  }

  #sendHead(last: boolean): void {
    this.connection.streams.sendHead(this.stream, last)
    this.stream.headersSent = true
    if (last) this.stream.endedWithHead()
  }

  /** Borrowed bytes of the response body, `last` with its end. False: `onDrain` is called when the client takes more. */
  write(bytes: Buffer, start: number, end: number, last: boolean): boolean {
    this.touch()
    if (this.report !== undefined) this.report.bytesOut += end - start
    return (end === start && !last) || this.stream.write(bytes, start, end, last)
  }

  /** A whole response that says why there is none. */
  protected sendRefusal(error: GatewayError, status: number): void {
    if (this.report !== undefined) this.report.status = status
    if (this.isGrpc) return this.#sendWhole(200, callRefusalFields(error, status), empty)
    const refusal = refusalOf(error, this.head.accept, status)
    this.#sendWhole(status, refusalFields(refusal), Buffer.from(refusal.body))
  }

  /** A whole response of the operator's. */
  answer(answer: HttpAnswer): void {
    const status = answer.status ?? 200
    const fields = [...answerFields(answer), ...this.#begin(status)]
    this.#sendWhole(status, fields, status === 204 || status === 304 ? empty : bodyOf(answer))
  }

  #sendWhole(status: number, fields: readonly Pair[], body: Buffer): void {
    // Nobody reads the request any more; what has come of it makes room for other streams.
    this.stream.resume()
    if (this.stream.closed) return
    const bodiless = this.isHead || body.length === 0
    writeFields(this.connection.streams, status, fields)
    this.#sendHead(bodiless)
    if (!bodiless) this.write(body, 0, body.length, true)
  }
}
