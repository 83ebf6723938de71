import { once } from 'node:events'
import net from 'node:net'
import { backend, type LayerContext, type Resolution } from '@proxy/kernel'
import { certificateAuthority, describeNeeding, type MariadbServer, mariadbServer } from '@proxy/test-servers'
import { expect, test } from 'vitest'
import { connectMysql2 } from './clients.ts'
import { openGateway } from './setup.ts'

/** The same account for other hosts. */
const everywhere = `;\nCREATE USER demo@'%' IDENTIFIED BY 'demo';\nGRANT ALL ON *.* TO demo@'%'`

const never = new AbortController().signal

/** Probes as a layer does, through a gateway that nobody else uses. */
async function prober(endpoint: string) {
  let context: LayerContext | undefined
  const layer = { name: 'prober', setup: (given: LayerContext) => void (context = given) }
  const gateway = await openGateway(() => endpoint, { layers: [layer] })
  return {
    probe: (resolution: Resolution = endpoint) =>
      context!.probe({ backend: backend(resolution), key: 'alpha', listener: 'mysql', protocol: 'mysql' }, never),
    [Symbol.asyncDispose]: () => gateway[Symbol.asyncDispose](),
  }
}

/** Comes to the server from another address than 127.0.0.1, of which MariaDB counts no errors. */
async function elsewhere(server: MariadbServer) {
  const forwarder = net.createServer((client) => {
    const socket = net.connect({ host: '127.0.0.1', port: server.port, localAddress: '127.0.0.2' })
    for (const end of [client, socket]) end.on('error', () => end.destroy())
    client.pipe(socket).pipe(client)
  })
  forwarder.listen(0, '127.0.0.1')
  await once(forwarder, 'listening')
  const { port } = forwarder.address() as net.AddressInfo
  return {
    port,
    endpoint: `127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      forwarder.close()
      await once(forwarder, 'close')
    },
  }
}

async function hearAndLeave(port: number): Promise<void> {
  const socket = net.connect(port, '127.0.0.1')
  await once(socket, 'data')
  socket.destroy()
  await once(socket, 'close')
}

async function logIn(port: number): Promise<void> {
  const connection = await connectMysql2({ port, database: 'alpha' })
  await connection.query('select 1')
  await connection.end()
}

describeNeeding(['mariadbd', 'openssl'], 'a probe', () => {
  test('is no error of its host to the server, however often it comes', async () => {
    await using server = await mariadbServer({
      databases: ['alpha'],
      users: [{ name: 'demo', password: 'demo', attributes: everywhere }],
      // Where names are not resolved, hosts are not counted.
      settings: ['--max-connect-errors=10', '--skip-name-resolve=OFF'],
    })
    await using path = await elsewhere(server)
    await using gateway = await prober(path.endpoint)
    for (let i = 0; i < 200; i++) await gateway.probe()
    await logIn(path.port)
    // What it would be otherwise.
    for (let i = 0; i < 12; i++) await hearAndLeave(path.port)
    await expect(logIn(path.port)).rejects.toMatchObject({ errno: 1129 })
    await expect(gateway.probe()).rejects.toMatchObject({ code: 'PROXY_BACKEND_NOT_READY' })
  })

  test('finds a server that is full ready, and one that is down not', async () => {
    await using server = await mariadbServer({ databases: ['alpha'], settings: ['--max-connections=10'] })
    await using gateway = await prober(server.endpoint)
    const held = await Promise.all(
      Array.from({ length: 11 }, (_, i) =>
        connectMysql2({ port: server.port, ...(i === 10 ? { user: 'root', password: 'root' } : {}) }),
      ),
    )
    await gateway.probe()
    await Promise.all(held.map((connection) => connection.end()))
    await gateway.probe()
    await server.halt()
    await expect(gateway.probe()).rejects.toMatchObject({ code: 'PROXY_DIAL_REFUSED' })
  })

  test('speaks TLS where the resolution says so', async () => {
    const authority = certificateAuthority()
    await using server = await mariadbServer({ databases: ['alpha'], tls: authority.server({ name: 'localhost' }) })
    await using gateway = await prober(server.endpoint)
    await gateway.probe({ endpoint: server.endpoint, tls: { mode: 'negotiated', ca: authority.cert } })
    const distrusted = gateway.probe({ endpoint: server.endpoint, tls: 'negotiated' })
    await expect(distrusted).rejects.toMatchObject({ code: 'PROXY_BACKEND_TLS' })
    authority.dispose()
  })
})
