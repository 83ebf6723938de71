import { networkInterfaces } from 'node:os'
import type { Link, LinkHandler } from '@proxy/kernel'
import { settle, until } from '@proxy/testkit'
import { expect, onTestFinished, test } from 'vitest'
import { RawSocket } from './__fixtures__/raw.ts'
import { strictTransport } from './__fixtures__/strict.ts'

// epoll tells of everything once. What it has told must not be forgotten, whatever came together.

class Listener implements LinkHandler {
  text = ''
  ends = 0
  closes = 0
  onData(_link: Link, bytes: Buffer): void {
    this.text += bytes.toString('latin1')
  }
  onDrain(): void {}
  onEnd(): void {
    this.ends++
  }
  onClose(): void {
    this.closes++
  }
}

const raw = (): RawSocket => {
  const socket = new RawSocket()
  onTestFinished(() => socket.close())
  return socket
}

async function accepted(): Promise<{ client: RawSocket; links: Link[] }> {
  const links: Link[] = []
  const onLink = (link: Link): void => void links.push(link)
  const binding = await strictTransport().listen({ host: '127.0.0.1', port: 0 }, { onLink, onError: () => undefined })
  onTestFinished(async () => {
    for (const link of links) link.destroy()
    await binding.close()
  })
  const client = raw()
  client.connect(binding.address.port)
  return { client, links }
}

const listenTo = (link: Link): Listener => {
  const heard = new Listener()
  link.attach(heard)
  return heard
}

test('what a client has sent before it is accepted is read, and its FIN behind it', async () => {
  const { client, links } = await accepted()
  client.send('hello')
  client.end()
  await until(() => links.length === 1, 'the connection')
  const heard = listenTo(links[0] as Link)
  links[0]?.resume()
  expect(heard.text, 'told within resume').toBe('')
  await until(() => heard.ends === 1, 'the FIN')
  expect(heard.text).toBe('hello')
})

test.each([1, 2, 3])('bytes and the FIN wait for the end of a pause in which they came, %d times', async (times) => {
  const { client, links } = await accepted()
  await until(() => links.length === 1, 'the connection')
  const [link] = links as [Link]
  const heard = listenTo(link)
  link.resume()
  await settle()
  link.pause()
  for (let time = 0; time < times; time++) {
    client.send('x')
    await settle()
  }
  client.end()
  await settle()
  expect(heard.text).toBe('')
  link.resume()
  await until(() => heard.ends === 1, 'the FIN')
  expect(heard.text).toBe('x'.repeat(times))
})

test('after a pause in which bytes came more than once, reading goes on for good', async () => {
  const { client, links } = await accepted()
  await until(() => links.length === 1, 'the connection')
  const [link] = links as [Link]
  const heard = listenTo(link)
  link.resume()
  await settle()
  link.pause()
  for (const text of ['a', 'b', 'c']) {
    client.send(text)
    await settle()
  }
  link.resume()
  await until(() => heard.text === 'abc', 'what waited')
  client.send('d')
  await until(() => heard.text === 'abcd', 'what came later')
})

test('urgent data makes a read end early, and what is behind it is read all the same', async () => {
  const { client, links } = await accepted()
  await until(() => links.length === 1, 'the connection')
  const heard = listenTo(links[0] as Link)
  links[0]?.resume()
  await settle()
  client.send('before')
  client.sendUrgent('!')
  client.send('after')
  await until(() => heard.text === 'beforeafter', 'all but the urgent byte')
})

const outside = Object.values(networkInterfaces())
  .flat()
  .find((one) => one?.family === 'IPv4' && !one.internal)?.address

test.skipIf(outside === undefined)('the greeting of a backend that comes with its FIN is not lost', async () => {
  const listening = raw()
  const port = listening.listen()
  const dial = strictTransport().connect({ host: outside ?? '', port, timeoutMs: 4_000 }, new AbortController().signal)
  const backend = listening.accept()
  backend.send('220 hello')
  backend.end()
  onTestFinished(() => backend.close())
  const link = await dial
  await settle()
  const heard = listenTo(link)
  link.resume()
  await until(() => heard.ends === 1, 'the FIN')
  expect(heard.text).toBe('220 hello')
  link.destroy()
  await until(() => heard.closes === 1, 'the end')
})
