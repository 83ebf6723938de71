import type { RequestEndEvent } from '@proxy/kernel'
import { errorMembers, quoted, millis } from './line-parts.ts'

/**
 * The line of a request, put together by hand: there is one for every request, and a library that takes any object costs as much as
 * the rest of telemetry. `base` is what every line has, as JSON without braces.
 */
export function requestLine(event: RequestEndEvent, base: string, time: number): string {
  const { session, listener, protocol, key, method, path, status, version, timing, error, trace } = event
  let line = `{"level":30,"time":${time},${base}"session":"${session}","listener":${quoted(listener)},"protocol":${quoted(protocol)}`
  line += `,"key":${quoted(key)},"method":${quoted(method)},"path":${quoted(path)},"status":${status},"version":"${version}"`
  if (error !== undefined) line += errorMembers(error)
  line += `,"bytesFromClient":${event.bytesFromClient},"bytesToClient":${event.bytesToClient},"ms":${millis(event.durationMs)}`
  if (timing.routedMs !== undefined) line += `,"routedMs":${millis(timing.routedMs)}`
  if (timing.upstreamMs !== undefined) line += `,"upstreamMs":${millis(timing.upstreamMs)}`
  if (timing.firstByteMs !== undefined) line += `,"firstByteMs":${millis(timing.firstByteMs)}`
  if (trace !== undefined) line += `,"traceparent":"${trace.traceparent}"`
  return `${line},"msg":"request"}\n`
}
