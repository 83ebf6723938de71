import type { RequestEndEvent } from '@proxy/kernel'
import { causeOf } from './access-record.ts'

/** Would have to be escaped in JSON, or is none of ASCII. */
// oxlint-disable-next-line no-control-regex
const special = /["\\\u0000-\u001f\u007f-\uffff]/

/**
 * The line of a request, put together by hand: there is one for every request, and a library that takes any object costs as much as
 * the rest of telemetry. `base` is what every line has, as JSON without braces.
 */
export function requestLine(event: RequestEndEvent, base: string, time: number): string {
  const { session, listener, protocol, key, method, path, status, version, timing, error, trace } = event
  let line = `{"level":30,"time":${time},${base}"session":"${session}","listener":${quoted(listener)},"protocol":"${protocol}"`
  line += `,"key":${quoted(key)},"method":${quoted(method)},"path":${quoted(path)},"status":${status},"version":"${version}"`
  if (error !== undefined) {
    line += `,"code":"${error.code}","origin":"${error.origin}"`
    const cause = causeOf(error)
    if (cause !== undefined) line += `,"cause":${quoted(cause)}`
  }
  line += `,"bytesFromClient":${event.bytesFromClient},"bytesToClient":${event.bytesToClient},"ms":${rounded(event.durationMs)}`
  if (timing.routedMs !== undefined) line += `,"routedMs":${rounded(timing.routedMs)}`
  if (timing.upstreamMs !== undefined) line += `,"upstreamMs":${rounded(timing.upstreamMs)}`
  if (timing.firstByteMs !== undefined) line += `,"firstByteMs":${rounded(timing.firstByteMs)}`
  if (trace !== undefined) line += `,"traceparent":"${trace.traceparent}"`
  return `${line},"msg":"request"}\n`
}

const quoted = (text: string): string => (special.test(text) ? JSON.stringify(text) : `"${text}"`)

/** To the microsecond. */
const rounded = (ms: number): number => Math.round(ms * 1_000) / 1_000
