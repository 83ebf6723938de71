import { readFileSync } from 'node:fs'
import { connect } from 'node:tls'
import { Gateway, Hooks, type Link, type SessionEndEvent } from '@proxy/kernel'
import { describeNeeding, type Leaf } from '@proxy/test-servers'
import { memoryTransport, mutated, until } from '@proxy/testkit'
import fc from 'fast-check'
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

  it('survives every mutation of a real opening, and always says why it ended', async () => {
    const transport = memoryTransport()
    const hooks = new Hooks()
    const listener = { address: '10.0.0.1:1', protocol: reporter(), tls: tls({ certificates: [leaf] }) }
    const gateway = new Gateway({ listeners: [listener], resolver: () => '10.0.0.2:1', transport, hooks })
    await gateway.open()
    onTestFinished(() => gateway.close())
    const opening = readFileSync(new URL('../src/__fixtures__/openssl.bin', import.meta.url))
    const endOf = async (bytes: Buffer): Promise<SessionEndEvent> => {
      const end = new Promise<SessionEndEvent>((resolve) => hooks.on('session:end', resolve))
      const client = await transport.client('10.0.0.1:1')
      client.end(bytes)
      return end
    }
    await fc.assert(
      fc.asyncProperty(mutated([opening]), async (bytes) => {
        const { error, outcome } = await endOf(Buffer.from(bytes))
        expect(error?.code).toMatch(/^PROXY_(TLS_HANDSHAKE|CLIENT_GONE)$/)
        expect(outcome).not.toBe('relayed')
      }),
      { numRuns: 300 },
    )
    await until(() => transport.openLinks === 0, 'every link to close')
    expect(gateway.stats().sessions).toBe(0)
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
