export { epollTransport, type EpollTransportOptions } from './epoll-transport.ts'
