import type { GatewayError } from '@proxy/kernel'
import { causeOf } from './access-record.ts'

/** Would have to be escaped in JSON, or is none of ASCII. */
// oxlint-disable-next-line no-control-regex
const special = /["\\\u0000-\u001f\u007f-\uffff]/

/** A string as JSON has it. */
export const quoted = (text: string): string => (special.test(text) ? JSON.stringify(text) : `"${text}"`)

/** Milliseconds, to the microsecond. Of whole numbers, which are written faster than fractions are. */
export function millis(ms: number): string {
  const micros = Math.round(ms * 1_000)
  const fraction = micros % 1_000
  if (fraction === 0) return `${micros / 1_000}`
  return `${(micros - fraction) / 1_000}${fraction < 10 ? '.00' : fraction < 100 ? '.0' : '.'}${fraction}`
}

/** The members that tell of an error, each behind a comma. */
export function errorMembers(error: GatewayError): string {
  const cause = causeOf(error)
  return `,"code":"${error.code}","origin":"${error.origin}"${cause === undefined ? '' : `,"cause":${quoted(cause)}`}`
}
