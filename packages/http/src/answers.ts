import { type Session } from '@proxy/kernel'
import type { MessageHead } from './message.ts'
import type { HttpAnswer, HttpRequest } from './options.ts'
import { reasons } from './refusals.ts'

/** What the `onRequest` hook is told. `forwarded` is the head as the backend would get it. */
export function describeRequest(
  head: MessageHead,
  bytes: Buffer,
  forwarded: string,
  key: string,
  session: Session,
): HttpRequest {
  const headers: [string, string][] = []
  for (let i = 0; i < head.count; i++) headers.push([head.name(bytes, i).toLowerCase(), head.value(bytes, i)])
  const [method = '', target = ''] = forwarded.slice(0, forwarded.indexOf('\r\n')).split(' ')
  const { client, id } = session
  return { method, target, headers, host: key, client: client.peer, tls: client.tls, session: id }
}

/** An HTTP/1.1 message with an answer of the operator's. `added` holds whole lines. */
export function answerMessage(answer: HttpAnswer, added: string, isHead: boolean): string {
  const status = answer.status ?? 200
  const body = bodyOf(answer)
  const bodiless = status === 204 || status === 304
  const fields = answerFields(answer)
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('')
  const length = bodiless ? '' : `content-length: ${body.length}\r\n`
  const text = isHead || bodiless ? '' : body.toString('latin1')
  return `HTTP/1.1 ${status} ${reasons[status] ?? ''}\r\n${fields}${length}${added}\r\n${text}`
}

export function bodyOf(answer: HttpAnswer): Buffer {
  return typeof answer.body === 'string' ? Buffer.from(answer.body) : Buffer.from(answer.body ?? [])
}

/** The answer's fields in lower case, less those that say how it is framed. */
export function answerFields(answer: HttpAnswer): [string, string][] {
  const fields = Object.entries(answer.headers ?? {}).map(([name, value]): [string, string] => [
    name.toLowerCase().replace(/[^!#$%&'*+.^_`|~0-9a-z-]/g, ''),
    value.replace(/[^\t\x20-\x7e\x80-\xff]/g, ' '),
  ])
  if (!fields.some(([name]) => name === 'content-type')) fields.unshift(['content-type', 'text/plain; charset=utf-8'])
  return fields.filter(([name]) => !framing.has(name))
}

const framing: ReadonlySet<string> = new Set(['content-length', 'transfer-encoding', 'connection', 'keep-alive'])
