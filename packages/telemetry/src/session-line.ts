import { formatAddress, type SessionEndEvent, type SessionTiming } from '@proxy/kernel'
import { errorMembers, quoted, millis } from './line-parts.ts'

/**
 * The line of a session: what `sessionRecord` says, put together by hand, for connections may be short and many. `base` is what
 * every line has, as JSON without braces, `time` in milliseconds since 1970.
 */
export function sessionLine(event: SessionEndEvent, base: string, time: number): string {
  const { session, listener, protocol, key, outcome, reason, error, tls } = event
  let line = `{"level":30,"time":${time},${base}"session":"${session}","listener":${quoted(listener)},"protocol":${quoted(protocol)}`
  line += `,"client":${quoted(formatAddress(event.client))}`
  if (key !== undefined) line += `,"key":${quoted(key)}`
  line += `,"outcome":"${outcome}","reason":"${reason}"`
  if (error !== undefined) line += errorMembers(error)
  if (tls !== undefined) {
    line += `,"tls":${quoted(tls.version)}`
    if (tls.serverName !== undefined) line += `,"serverName":${quoted(tls.serverName)}`
  }
  line += `,"bytesFromClient":${event.bytesFromClient},"bytesToClient":${event.bytesToClient},"ms":${millis(event.durationMs)}`
  return `${line}${timingMembers(event.timing)},"msg":"session"}\n`
}

function timingMembers({ clientMs, resolveMs, wakeMs, dialMs, firstByteMs }: SessionTiming): string {
  const until = `,"clientMs":${millis(clientMs)},"resolveMs":${millis(resolveMs)},"wakeMs":${millis(wakeMs)},"dialMs":${millis(dialMs)}`
  return firstByteMs === undefined ? until : `${until},"firstByteMs":${millis(firstByteMs)}`
}
