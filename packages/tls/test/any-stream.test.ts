import { connect } from 'node:tls'
import { Gateway, type Link } from '@proxy/kernel'
import { describeNeeding, type Leaf } from '@proxy/test-servers'
import { memoryTransport } from '@proxy/testkit'
import { beforeAll, expect, it, onTestFinished } from 'vitest'
import { tls } from '../src/index.ts'
import { authority, reporter } from './setting.ts'

describeNeeding(['openssl'], 'TLS over a transport that is not that of Node', () => {
  const ca = authority()
  let leaf: Leaf

  beforeAll(() => {
    leaf = ca.current.server({ name: 'server', altNames: ['db.test'] })
  })

  it.each([1, 7, 65_536])('works when what arrives is cut into pieces of %i bytes', async (size) => {
    const transport = memoryTransport()
    const gateway = new Gateway({
      listeners: [{ address: '10.0.0.1:1', protocol: reporter(), tls: tls({ certificates: [leaf] }) }],
      resolver: () => ({ endpoint: '10.0.0.2:1' }),
      guard: false,
      transport,
    })
    transport.backend('10.0.0.2:1', (peer) => {
      peer.link.attach({
        onData: (link, bytes) => void link.write(bytes),
        onDrain() {},
        onEnd: (link) => link.end(),
        onClose() {},
      })
    })
    await gateway.open()
    onTestFinished(() => gateway.close())
    const { link } = await transport.client('10.0.0.1:1', { splitter: () => size })
    const text = await converse(link, ca.current.cert)
    expect(text).toContain('"serverName":"db.test"')
    expect(text).toMatch(/hello$/)
  })

  /** Joins, says hello, and returns everything that came until the end. */
  async function converse(link: Link, authority: string): Promise<string> {
    const socket = connect({ socket: link.socket(), ca: authority, servername: 'db.test' })
    let text = ''
    socket.setEncoding('utf8').on('data', (part: string) => (text += part))
    socket.end('hello')
    await new Promise((resolve, reject) => socket.on('error', reject).on('end', resolve))
    return text
  }
})
