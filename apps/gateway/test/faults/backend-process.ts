/** `backend-process.ts <protocol> <port> <file>`: a server whose process can be killed. What it has taken is in the file before it says so. */
import { appendFileSync } from 'node:fs'
import { createServer as httpServer } from 'node:http'
import { createServer as tcpServer } from 'node:net'
import { type SinkMessage, smtpSink } from '@proxy/test-servers'

const [protocol, portText, file] = process.argv.slice(2)
const port = Number(portText)
const keep = (id: string): void => appendFileSync(file!, `${id}\n`)
const ready = (): boolean => process.stdout.write('ready\n')

/** `POST /<id>` keeps the id; `GET /endless` never ends. */
function serveHttp(): void {
  const server = httpServer((request, response) => {
    if (request.url === '/endless') return void response.write('begun')
    request.resume().once('end', () => {
      if (request.method === 'POST') keep(request.url!.slice(1))
      response.end('kept')
    })
  })
  server.listen(port, '127.0.0.1', ready)
}

/** Every line is kept and sent back. */
function serveTcp(): void {
  const server = tcpServer({ noDelay: true }, (socket) => {
    let rest = ''
    socket.on('error', () => {})
    socket.on('data', (bytes) => {
      const lines = (rest + bytes.toString('latin1')).split('\n')
      rest = lines.pop()!
      for (const line of lines) {
        keep(line)
        socket.write(`${line}\n`)
      }
    })
  })
  server.listen(port, '127.0.0.1', ready)
}

function take({ data }: SinkMessage): undefined {
  keep(/^Subject: (\S+)/m.exec(data.toString())?.[1] ?? '')
}

async function serveSmtp(): Promise<void> {
  await smtpSink({ port, onMessage: take })
  ready()
}

/** For a process that is stopped: its queue is full after two connections. */
function serveHole(): void {
  tcpServer().listen({ port, host: '127.0.0.1', backlog: 1 }, ready)
}

if (protocol === 'http') serveHttp()
else if (protocol === 'hole') serveHole()
else if (protocol === 'tcp') serveTcp()
else await serveSmtp()
