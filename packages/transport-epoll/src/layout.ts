import { endianness } from 'node:os'

/** How Linux lays out what its calls take, where that differs between processors. */
export interface Layout {
  /** 32-bit words from one `struct epoll_event` to the next. */
  readonly eventWords: number
  /** The word in it that holds the file descriptor, the lower half of `data`. */
  readonly fdWord: number
}

const layouts: Readonly<Record<string, Layout>> = {
  // Packed there, and nowhere else.
  x64: { eventWords: 3, fdWord: 1 },
  arm64: { eventWords: 4, fdWord: 2 },
}

/** undefined: not a processor that this package knows. */
export function layoutOf(arch: string): Layout | undefined {
  return endianness() === 'LE' ? layouts[arch] : undefined
}
