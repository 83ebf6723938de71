import { getSystemErrorName } from 'node:util'
import { koffi } from './koffi.ts'

/** An address of this process, out of `memory.ts`; 0 for none. */
type Pointer = number

/** The calls of the C library. Each gives what the manual says: -1 for a failure, whose number is in `errno()`. */
export interface System {
  epollCreate(flags: number): number
  epollCtl(epoll: number, operation: number, fd: number, event: Pointer): number
  epollWait(epoll: number, events: Pointer, most: number, timeoutMs: number): number
  duplicate(from: number, to: number): number
  socket(family: number, type: number, protocol: number): number
  bind(fd: number, address: Pointer, length: number): number
  listen(fd: number, backlog: number): number
  accept(fd: number, address: Pointer, length: Pointer, flags: number): number
  connect(fd: number, address: Pointer, length: number): number
  receive(fd: number, bytes: Pointer, length: number, flags: number): number
  send(fd: number, bytes: Pointer, length: number, flags: number): number
  shutdown(fd: number, how: number): number
  close(fd: number): number
  setOption(fd: number, level: number, name: number, value: Pointer, length: number): number
  getOption(fd: number, level: number, name: number, value: Pointer, length: Pointer): number
  localAddress(fd: number, address: Pointer, length: Pointer): number
  errno(): number
}

/** Throws when the C library cannot be loaded. */
export function loadSystem(): System {
  const { load, errno } = koffi()
  const library = load('libc.so.6')
  return {
    epollCreate: library.func('int epoll_create1(int)'),
    epollCtl: library.func('int epoll_ctl(int, int, int, uintptr_t)'),
    epollWait: library.func('int epoll_wait(int, uintptr_t, int, int)'),
    duplicate: library.func('int dup2(int, int)'),
    socket: library.func('int socket(int, int, int)'),
    bind: library.func('int bind(int, uintptr_t, uint32_t)'),
    listen: library.func('int listen(int, int)'),
    accept: library.func('int accept4(int, uintptr_t, uintptr_t, int)'),
    connect: library.func('int connect(int, uintptr_t, uint32_t)'),
    receive: library.func('intptr_t recv(int, uintptr_t, size_t, int)'),
    send: library.func('intptr_t send(int, uintptr_t, size_t, int)'),
    shutdown: library.func('int shutdown(int, int)'),
    close: library.func('int close(int)'),
    setOption: library.func('int setsockopt(int, int, int, uintptr_t, uint32_t)'),
    getOption: library.func('int getsockopt(int, int, int, uintptr_t, uintptr_t)'),
    localAddress: library.func('int getsockname(int, uintptr_t, uintptr_t)'),
    errno: () => errno(),
  }
}

/** The error that Node would report for the failure of a call. */
export function systemError(errno: number, syscall: string): NodeJS.ErrnoException {
  const code = getSystemErrorName(-errno)
  return Object.assign(new Error(`${syscall} ${code}`), { errno: -errno, code, syscall })
}
