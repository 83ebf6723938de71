import type { Socket } from 'node:net'
import { type TcpBackend, tcpBackend } from '@proxy/test-servers'

export interface Scripted extends AsyncDisposable {
  readonly endpoint: string
  /** Lines that it was sent, of all connections. */
  readonly lines: string[]
  readonly sockets: readonly Socket[]
}

/** Answers each line by what `answer` says, after the greeting; undefined = says nothing. */
export async function scripted(
  answer: (line: string, socket: Socket) => string | undefined,
  greeting: () => string = () => '220 scripted.test ESMTP\r\n',
): Promise<Scripted> {
  const lines: string[] = []
  const backend: TcpBackend = await tcpBackend((socket) => {
    let held = ''
    socket.write(greeting())
    socket.on('end', () => socket.end())
    socket.on('data', (bytes) => {
      const parts = (held + bytes.toString('latin1')).split('\r\n')
      held = parts.pop()!
      for (const line of parts) {
        lines.push(line)
        const said = answer(line, socket)
        if (said !== undefined) socket.write(said)
      }
    })
  })
  return {
    endpoint: backend.endpoint,
    lines,
    sockets: backend.sockets,
    [Symbol.asyncDispose]: () => backend.close(),
  }
}

/** What a well-behaved server says to a line that is none of a message. */
export function usual(line: string): string {
  const verb = line.slice(0, 4).toUpperCase()
  if (verb === 'EHLO') return '250-scripted.test\r\n250-PIPELINING\r\n250 8BITMIME\r\n'
  if (verb === 'DATA') return '354 go on\r\n'
  return verb === 'QUIT' ? '221 bye\r\n' : '250 2.0.0 fine\r\n'
}
