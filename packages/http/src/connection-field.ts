import { latin1, equalsFolded } from './bytes.ts'
import type { MessageHead } from './message.ts'

/** Fields that no Connection field may take away: the next server would read another message than we did. */
const untouchable: ReadonlySet<string> = new Set(['host', 'content-length', 'transfer-encoding', 'trailer'])

/** Takes in one value of the Connection field (RFC 9110 section 7.6.1). False: it must not be obeyed. */
export function readConnection(head: MessageHead, bytes: Buffer, start: number, end: number): boolean {
  if (equalsFolded(bytes, start, end, 'keep-alive')) {
    head.keepAlive = true
    return true
  }
  if (equalsFolded(bytes, start, end, 'close')) {
    head.close = true
    return true
  }
  for (const option of latin1(bytes, start, end).toLowerCase().split(',')) {
    if (!readOption(head, option.trim())) return false
  }
  return true
}

function readOption(head: MessageHead, option: string): boolean {
  switch (option) {
    case 'close':
      head.close = true
      return true
    case 'keep-alive':
      head.keepAlive = true
      return true
    case 'upgrade':
      head.upgrade = true
      return true
    case '':
    case 'te':
    case 'http2-settings':
      return true
    default:
      if (untouchable.has(option)) return false
      head.named ??= []
      head.named.push(option)
      return true
  }
}
