import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import {
  type Address,
  Gateway,
  type GatewayOptions,
  Hooks,
  type ListenerOptions,
  ResolveError,
  type RouteRequest,
  type SessionEndEvent,
} from '@proxy/kernel'
import { transportUnderTest } from '@proxy/test-servers/transport'
import { onTestFinished } from 'vitest'

export interface Setting {
  readonly address: Address
  /** What the resolver was asked. */
  readonly requests: RouteRequest[]
  /** The end of the next session. */
  ended(): Promise<SessionEndEvent>
}

/** A gateway with one listener, closed when the test is over. `routes` maps keys to what the resolver answers. */
export async function setting(
  listener: Omit<ListenerOptions, 'address'>,
  routes: Readonly<Record<string, string | object>>,
  options: Partial<GatewayOptions> = {},
): Promise<Setting> {
  const requests: RouteRequest[] = []
  const hooks = new Hooks()
  const gateway = new Gateway({
    listeners: [{ address: '127.0.0.1:0', ...listener }],
    resolver: (request) => {
      requests.push(request)
      const route = routes[request.key]
      if (route === undefined) throw new ResolveError('NOT_FOUND')
      return route as string
    },
    guard: false,
    hooks,
    transport: transportUnderTest(),
    ...options,
  })
  await gateway.open()
  onTestFinished(() => gateway.close())
  const ended = (): Promise<SessionEndEvent> =>
    new Promise((resolve) => {
      const off = hooks.on('session:end', (event) => {
        off()
        resolve(event)
      })
    })
  return { address: gateway.addresses[0]!, requests, ended }
}

/** A raw client. Errors are left to its `close` event. */
export function client({ host, port }: Address): Socket {
  const socket = connect({ host, port, allowHalfOpen: true })
  socket.on('error', () => undefined)
  onTestFinished(() => void socket.destroy())
  return socket
}

/** Everything that comes until the peer's end, which is then answered with ours. */
export async function drain(socket: Socket): Promise<Buffer> {
  const parts: Buffer[] = []
  socket.on('data', (part: Buffer) => parts.push(part))
  await Promise.race([once(socket, 'end'), once(socket, 'close')])
  socket.end()
  return Buffer.concat(parts)
}
