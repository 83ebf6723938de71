import type { RouteRequest } from '@proxy/kernel'

export const requestFor = (key: string): RouteRequest => ({
  key,
  protocol: 'postgres',
  listener: 'main',
  session: 's1',
  client: { host: '192.0.2.1', port: 40_000 },
  tls: undefined,
  unread: 0,
  attributes: {},
})
