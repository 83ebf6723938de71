import type { Transport } from '@proxy/kernel'
import { epollTransport } from '../epoll-transport.ts'

/** The transport itself: a test of it must not pass over Node's sockets. */
export const strictTransport = (): Transport =>
  epollTransport({
    onFallback: (reason) => {
      throw new Error(reason)
    },
  })
