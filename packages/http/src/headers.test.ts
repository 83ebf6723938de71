import type { RequestTrace } from '@proxy/kernel'
import { describe, expect, it } from 'vitest'
import { Forwarder } from './forwarder.ts'
import { isVerbatim, requestHead, responseHead } from './headers.ts'
import { MessageHead, parseRequest, parseResponse } from './message.ts'
import { isUpgrade } from './upgrade.ts'

const head = new MessageHead()
const tail = 'X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: a\r\n\r\n'

function forward(text: string, trusted = false, traced?: RequestTrace): string {
  const bytes = Buffer.from(text, 'latin1')
  expect(parseRequest(head, bytes, 0, bytes.length)).toBe(text.length)
  const forwarder = new Forwarder('192.0.2.1', 'http', trusted)
  return requestHead(head, bytes, 'a', forwarder, undefined, isUpgrade(head, bytes), traced)
}

function answer(text: string): string {
  const bytes = Buffer.from(text, 'latin1')
  expect(parseResponse(head, bytes, 0, bytes.length)).toBe(text.length)
  return responseHead(head, bytes, '', false)
}

const get = 'GET / HTTP/1.1\r\nHost: a\r\n'

describe('a forwarded request', () => {
  it('keeps the order and spelling of its fields, and its Host', () => {
    expect(forward(`${get}aCCept: */*\r\nX-B:  c \r\n\r\n`)).toBe(`${get}aCCept: */*\r\nX-B:  c \r\n${tail}`)
  })

  it("carries the trace context of its tracer in place of the client's", () => {
    const theirs = 'TraceParent: 00-1-2-00\r\nX-B: c\r\ntracestate: a=1\r\ntracestate: b=2\r\n'
    const ours = { traceparent: '00-3-4-01', tracestate: undefined }
    expect(forward(`${get}${theirs}\r\n`)).toBe(`${get}${theirs}${tail}`)
    expect(forward(`${get}${theirs}\r\n`, false, ours)).toBe(`${get}X-B: c\r\ntraceparent: 00-3-4-01\r\n${tail}`)
    expect(forward(`${get}\r\n`, false, { ...ours, tracestate: 'a=1' })).toBe(
      `${get}traceparent: 00-3-4-01\r\ntracestate: a=1\r\n${tail}`,
    )
  })

  it('loses hop-by-hop fields and those that Connection names', () => {
    const hops = 'Keep-Alive: 5\r\nProxy-Connection: x\r\nX-Hop: 1\r\nProxy-Authorization: Basic x\r\nUpgrade: foo\r\n'
    expect(forward(`${get}X-A: 1\r\nConnection: close, X-Hop\r\n${hops}X-B: 2\r\n\r\n`)).toBe(
      `${get}X-A: 1\r\nX-B: 2\r\n${tail}`,
    )
  })

  it('keeps TE: trailers and nothing else of TE', () => {
    expect(forward(`${get}TE: gzip, trailers\r\nConnection: TE\r\n\r\n`)).toBe(`${get}TE: trailers\r\n${tail}`)
    expect(forward(`${get}TE: gzip\r\nConnection: TE\r\n\r\n`)).toBe(get + tail)
  })

  it('passes an upgrade on, but none to HTTP/2', () => {
    expect(forward(`${get}Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n`)).toBe(
      `${get}Upgrade: websocket\r\nConnection: Upgrade\r\n${tail}`,
    )
    expect(forward(`${get}Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n\r\n`)).toBe(
      get + tail,
    )
    expect(forward(`${get}Connection: Upgrade\r\nUpgrade: websocket, h2c\r\n\r\n`)).toBe(get + tail)
  })

  it('says who an untrusted client is, whatever it claims', () => {
    const claims =
      'X-Forwarded-For: 1.1.1.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: b\r\nForwarded: for=1.1.1.1\r\n'
    expect(forward(`${get}${claims}\r\n`)).toBe(get + tail)
  })

  it('loses fields that some backends would take for those, whoever sends them', () => {
    const claims = 'X_Forwarded_For: 1.1.1.1\r\nX-Forwarded_Proto: https\r\nX_Custom: kept\r\n'
    expect(forward(`${get}${claims}\r\n`)).toBe(`${get}X_Custom: kept\r\n${tail}`)
    expect(forward(`${get}${claims}\r\n`, true)).toBe(`${get}X_Custom: kept\r\n${tail}`)
  })

  it('continues what a trusted balancer says', () => {
    const claims = 'X-Forwarded-For: 1.1.1.1\r\nX-Forwarded-Proto: https\r\nForwarded: for=1.1.1.1\r\n'
    expect(forward(`${get}${claims}\r\n`, true)).toBe(
      `${get}X-Forwarded-For: 1.1.1.1, 192.0.2.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: a\r\nForwarded: for=1.1.1.1, for=192.0.2.1\r\n\r\n`,
    )
  })

  it('is HTTP/1.1 whatever the client speaks, and then without Expect', () => {
    expect(forward('GET / HTTP/1.0\r\nHost: a\r\nExpect: 100-continue\r\n\r\n')).toBe(get + tail)
  })
})

describe('a forwarded response', () => {
  it('is the same bytes when there is nothing to strip', () => {
    const bytes = Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n')
    parseResponse(head, bytes, 0, bytes.length)
    expect(isVerbatim(head)).toBe(true)
  })

  it('loses hop-by-hop fields and those that Connection names', () => {
    expect(
      answer('HTTP/1.0 200 Fine\r\nA: 1\r\nConnection: keep-alive, B\r\nB: 2\r\nKeep-Alive: timeout=5\r\nC: 3\r\n\r\n'),
    ).toBe('HTTP/1.1 200 Fine\r\nA: 1\r\nC: 3\r\n\r\n')
  })

  it('keeps Upgrade where it is the answer', () => {
    expect(answer('HTTP/1.1 426 No\r\nConnection: Upgrade\r\nUpgrade: TLS/1.0\r\n\r\n')).toBe(
      'HTTP/1.1 426 No\r\nUpgrade: TLS/1.0\r\nConnection: Upgrade\r\n\r\n',
    )
  })

  it('has no framing when it is 204', () => {
    expect(answer('HTTP/1.1 204 No\r\nContent-Length: 0\r\nA: 1\r\n\r\n')).toBe('HTTP/1.1 204 No\r\nA: 1\r\n\r\n')
  })
})
