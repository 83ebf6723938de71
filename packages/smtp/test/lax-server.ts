import type { Socket } from 'node:net'
import { type TcpBackend, tcpBackend } from '@proxy/test-servers'

export interface LaxServer extends AsyncDisposable {
  readonly endpoint: string
  readonly port: number
  /** Senders of the messages that it took. */
  readonly senders: string[]
}

/** The most careless SMTP server: CR, LF and CRLF all end a line, NULs are left out, and any number of dots ends a message. */
export async function laxServer(): Promise<LaxServer> {
  const senders: string[] = []
  const backend: TcpBackend = await tcpBackend((socket) => serve(socket, senders))
  return {
    endpoint: backend.endpoint,
    port: backend.port,
    senders,
    [Symbol.asyncDispose]: () => backend.close(),
  }
}

function serve(socket: Socket, senders: string[]): void {
  let held = ''
  let inData = false
  let sender = ''
  socket.write('220 lax.test ESMTP\r\n')
  socket.on('end', () => socket.end())
  socket.on('data', (bytes) => {
    const lines = (held + bytes.toString('latin1')).replaceAll('\0', '').split(/\r\n|\r(?!$)|\n/)
    held = lines.pop()!
    for (const line of lines) take(line)
  })

  function take(line: string): void {
    if (inData) {
      if (!/^\.+$/.test(line)) return
      inData = false
      senders.push(sender)
    }
    const verb = line.slice(0, 4).toUpperCase()
    if (verb === 'MAIL') sender = /<(.*)>/.exec(line)?.[1] ?? ''
    inData = verb === 'DATA'
    socket.write(inData ? '354 go on\r\n' : verb === 'QUIT' ? '221 bye\r\n' : '250 2.0.0 whatever\r\n')
    if (verb === 'QUIT') socket.end()
  }
}
