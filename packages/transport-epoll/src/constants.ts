/** Of Linux's headers; the same on x86-64 and arm64. */
export const EPOLL_CTL_ADD = 1
export const EPOLL_CTL_DEL = 2
export const EPOLL_CTL_MOD = 3
export const EPOLL_CLOEXEC = 0o2000000

export const EPOLLIN = 0x001
/** Urgent data has come. */
export const EPOLLPRI = 0x002
export const EPOLLOUT = 0x004
export const EPOLLERR = 0x008
export const EPOLLHUP = 0x010
/** The peer sent its FIN. */
export const EPOLLRDHUP = 0x2000
/** Edge-triggered: told when it becomes so, and not again while it stays so. */
export const EPOLLET = 0x80000000
/** What there is to read, and what says that a read may be short though more is there: a FIN behind it, or urgent data. */
export const READING: number = EPOLLIN | EPOLLPRI | EPOLLRDHUP
export const BROKEN: number = EPOLLERR | EPOLLHUP

export const AF_INET = 2
export const AF_INET6 = 10
export const SOCK_STREAM = 1
/** SOCK_NONBLOCK | SOCK_CLOEXEC. */
export const SOCK_FLAGS: number = 0o4000 | 0o2000000

export const SOL_SOCKET = 1
export const SO_REUSEADDR = 2
export const SO_ERROR = 4
export const SO_KEEPALIVE = 9
export const SO_LINGER = 13
export const SO_REUSEPORT = 15
export const IPPROTO_TCP = 6
export const TCP_NODELAY = 1
export const TCP_KEEPIDLE = 4

/** MSG_DONTWAIT | MSG_NOSIGNAL. */
export const SEND_FLAGS: number = 0x40 | 0x4000
export const SHUT_WR = 1

export const EINTR = 4
export const EAGAIN = 11
export const ENOMEM = 12
export const ENFILE = 23
export const EMFILE = 24
export const ENOBUFS = 105
export const ECONNABORTED = 103
export const ECONNRESET = 104
export const ETIMEDOUT = 110
export const ECONNREFUSED = 111
export const EALREADY = 114
export const EINPROGRESS = 115
