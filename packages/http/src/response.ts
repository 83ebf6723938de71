import type { GatewayError } from '@proxy/kernel'
import { answerMessage } from './answers.ts'
import type { ClientConnection } from './connection.ts'
import { isVerbatim, responseHead } from './headers.ts'
import type { Incoming } from './incoming.ts'
import { writeJoined } from './joined-write.ts'
import type { MessageHead } from './message.ts'
import type { HttpAnswer } from './options.ts'
import { refusalMessage, refusalOf } from './refusals.ts'
import type { RequestReport } from './request-report.ts'

const closeLine = 'Connection: close\r\n'
const keepAliveLine = 'Connection: keep-alive\r\n'

/** The response in progress on a client connection: writes it, and remembers how far it is. */
export class ResponseWriter {
  /** The head of a backend's response is written. */
  begun = false
  /** The connection ends with the response. */
  closes = false
  readonly #connection: ClientConnection
  readonly #incoming: Incoming
  readonly #report: RequestReport

  constructor(connection: ClientConnection, incoming: Incoming, report: RequestReport) {
    this.#connection = connection
    this.#incoming = incoming
    this.#report = report
  }

  reset(): void {
    this.begun = false
  }

  /** 1xx. */
  interim(head: MessageHead, bytes: Buffer): void {
    if (isVerbatim(head)) this.write(bytes, head.start, head.end)
    else this.#text(responseHead(head, bytes, '', false))
  }

  /**
   * The head with the body up to `bodyEnd`; the same bytes where nothing has to change. `endless`: only the end of the
   * connection ends the body. False: wait for the client.
   */
  head(head: MessageHead, bytes: Buffer, bodyEnd: number, endless: boolean): boolean {
    const unframed = this.#incoming.minor === 0 && head.chunked
    this.#decide(endless || unframed)
    this.begun = true
    this.#report.status = head.status
    const added = this.#addedLines()
    if (added === '' && isVerbatim(head)) return this.write(bytes, head.start, bodyEnd)
    const text = responseHead(head, bytes, added, unframed)
    this.#report.bytesOut += text.length + bodyEnd - head.end
    return writeJoined(this.#connection.link, text, bytes, head.end, bodyEnd)
  }

  write(bytes: Buffer, start: number, end: number): boolean {
    if (start === end) return true
    this.#report.bytesOut += end - start
    return this.#connection.link.write(start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end))
  }

  /** 101, and what the backend says in the other protocol. */
  switch(head: MessageHead, bytes: Buffer): void {
    this.#report.status = 101
    this.write(bytes, head.start, bytes.length)
  }

  /** A whole response of the operator's. */
  answer(answer: HttpAnswer): void {
    this.#settle()
    this.#report.status = answer.status ?? 200
    this.#text(answerMessage(answer, this.#addedLines(), this.#incoming.method === 'HEAD'))
  }

  /** A whole response that says why there is none. */
  refuse(error: GatewayError, status: number): void {
    const refusal = refusalOf(error, this.#incoming.accept, status)
    this.#settle()
    this.#report.status = status
    this.#text(refusalMessage(refusal, this.#addedLines(), this.#incoming.method === 'HEAD'))
  }

  /** An answer of ours does not wait for the body: the connection lives on if all of it is here already. */
  #settle(): void {
    const connection = this.#connection
    const { body } = this.#incoming
    if (!body.done) {
      const held = connection.takeHeld()
      const at = body.consume(held, 0, held.length)
      if (at >= 0 && at < held.length) connection.hold(held, at)
    }
    this.#decide(false)
  }

  #decide(endless: boolean): void {
    const { keepAlive, body } = this.#incoming
    this.closes = !keepAlive || this.#connection.draining || endless || !body.done
  }

  #addedLines(): string {
    const { server, session } = this.#connection
    const line = this.closes ? closeLine : this.#incoming.minor === 0 ? keepAliveLine : ''
    if (!server.settings.telemetryHeaders) return line
    const ms = this.#report.durationMs
    return `${line}X-Proxy-Session: ${session.id}\r\nX-Proxy-Key: ${this.#incoming.key}\r\nX-Proxy-Duration-Ms: ${ms}\r\n`
  }

  #text(text: string): boolean {
    this.#report.bytesOut += text.length
    return this.#connection.link.write(text)
  }
}
