import type { Link } from '@proxy/kernel'
import { latin1 } from './bytes.ts'

/** A head and a body up to this size leave in one write. */
export const smallBody = 12_288

/** A head with what there is of the body, in one write while that is small. False: wait for the other side. */
export function writeJoined(link: Link, head: string, bytes: Buffer, start: number, end: number): boolean {
  if (start === end) return link.write(head)
  if (end - start <= smallBody) return link.write(head + latin1(bytes, start, end))
  link.write(head)
  return link.write(bytes.subarray(start, end))
}
