import {
  IPPROTO_TCP,
  SO_KEEPALIVE,
  SOCK_FLAGS,
  SOCK_STREAM,
  SOL_SOCKET,
  TCP_KEEPIDLE,
  TCP_NODELAY,
} from './constants.ts'
import type { SocketCalls } from './socket-calls.ts'
import { systemError } from './system.ts'

/** Idle seconds before the first keepalive probe: finds peers that vanished without a FIN. */
const KEEPALIVE_SECONDS = 30

/** A socket with the options that every connection has; what a listening one accepts inherits them. */
export function openSocket(calls: SocketCalls, family: number): number {
  const fd = calls.system.socket(family, SOCK_STREAM | SOCK_FLAGS, 0)
  if (fd < 0) throw systemError(calls.system.errno(), 'socket')
  prepareSocket(calls, fd)
  return fd
}

export function prepareSocket(calls: SocketCalls, fd: number): void {
  calls.setOption(fd, IPPROTO_TCP, TCP_NODELAY, 1)
  calls.setOption(fd, SOL_SOCKET, SO_KEEPALIVE, 1)
  calls.setOption(fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_SECONDS)
}
