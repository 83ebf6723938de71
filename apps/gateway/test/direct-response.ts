import { once } from 'node:events'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'

/** A listener that answers by its own name. */
export const listener = (name: string, port: number, more: object = {}): object => ({
  name,
  address: `127.0.0.1:${port}`,
  protocol: 'http',
  options: { directResponse: { body: name } },
  ...more,
})

export const file = (config: object): string => JSON.stringify({ resolver: { fixed: '127.0.0.1:1' }, ...config })

/** A connection of its own for a request. */
export async function ask(port: number): Promise<{ answer: Promise<string> }> {
  const socket = connect(port, '127.0.0.1')
  await once(socket, 'connect')
  socket.write('GET / HTTP/1.1\r\nhost: example.test\r\nconnection: close\r\n\r\n')
  return { answer: text(socket).then((answer) => answer.split('\r\n\r\n')[1] ?? '') }
}

export const get = async (port: number): Promise<string> => (await ask(port)).answer
