/**
 * `backend-process.ts <directory>`: one process that speaks every protocol as cheaply as it can, for a thousand clients at a time. Told
 * to start, it listens as soon as there is a file `go`, until it is told to sleep. It ends with the channel to its parent.
 */
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { encodeMongo, MongoReader } from '@proxy/test-servers'
import { mysqlGreeting, mysqlOk, mysqlQuery } from './mysql-wire.ts'

const directory = process.argv[2]!
const ports = JSON.parse(readFileSync(join(directory, 'ports.json'), 'utf8')) as Record<string, number>

/** Connections, and answers to clients, by protocol. */
const accepted: Record<string, number> = {}
const served: Record<string, number> = {}

const add = (counts: Record<string, number>, name: string): void => void (counts[name] = (counts[name] ?? 0) + 1)

const message = (type: string, body: Buffer): Buffer => {
  const head = Buffer.alloc(5)
  head.write(type, 'latin1')
  head.writeInt32BE(body.length + 4, 1)
  return Buffer.concat([head, body])
}

const pgReady = message('Z', Buffer.from('I'))
const pgWelcome = Buffer.concat([message('R', Buffer.alloc(4)), message('K', Buffer.alloc(8)), pgReady])
const pgAnswer = Buffer.concat([message('C', Buffer.from('KEPT\0')), pgReady])

/** Welcomes everybody; the answer to every query is that it was done. */
function postgres(socket: Socket): void {
  let welcomed = false
  socket.on('data', (bytes) => {
    if (!welcomed) {
      welcomed = true
      return void socket.write(pgWelcome)
    }
    if (bytes[0] === 0x58) return void socket.end()
    if (bytes[0] !== 0x51) return
    add(served, 'postgres')
    socket.write(pgAnswer)
  })
}

function smtp(socket: Socket): void {
  let inData = false
  socket.write('220 herd ESMTP\r\n')
  socket.on('data', (bytes) => {
    const text = bytes.toString('latin1')
    if (inData) {
      if (!text.endsWith('.\r\n')) return
      inData = false
      add(served, 'smtp')
      return void socket.write('250 kept\r\n')
    }
    for (const line of text.split('\r\n').slice(0, -1)) {
      inData = line === 'DATA'
      socket.write(inData ? '354 go on\r\n' : line === 'QUIT' ? '221 bye\r\n' : '250 herd\r\n')
    }
  })
}

const hello = { isWritablePrimary: true, ismaster: true, minWireVersion: 0, maxWireVersion: 21, readOnly: false, ok: 1 }
const sizes = { maxBsonObjectSize: 16_777_216, maxMessageSizeBytes: 48_000_000, maxWriteBatchSize: 100_000 }

function mongodb(socket: Socket): void {
  const reader = new MongoReader()
  socket.on('data', (bytes) => {
    for (const { document, requestId } of reader.push(bytes)) {
      const greets = 'hello' in document || 'ismaster' in document || 'isMaster' in document
      if (!greets) add(served, 'mongodb')
      const answer = greets ? { ...hello, ...sizes } : { kept: true, ok: 1 }
      socket.write(encodeMongo(answer, { responseTo: requestId }))
    }
  })
}

/** Whoever has greeted, asks. */
function mysql(socket: Socket): void {
  let welcomed = false
  socket.write(mysqlGreeting)
  socket.on('data', (bytes) => {
    if (!welcomed) {
      welcomed = true
      return void socket.write(mysqlOk(bytes[3]! + 1))
    }
    if (bytes[4] !== mysqlQuery) return void socket.end()
    add(served, 'mysql')
    socket.write(mysqlOk(1))
  })
}

const httpAnswer = Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nkept')

/** Requests have no bodies here, and come one at a time. */
function http(socket: Socket): void {
  socket.on('data', () => {
    add(served, 'http')
    socket.write(httpAnswer)
  })
}

function tcp(socket: Socket): void {
  socket.on('data', () => {
    add(served, 'tcp')
    socket.write('kept\n')
  })
}

const raw = (serve: (socket: Socket) => void): Server =>
  createServer({ noDelay: true }, (socket) => {
    socket.on('error', () => {})
    serve(socket)
  })

const servers: Record<string, Server> = {
  http: raw(http),
  postgres: raw(postgres),
  mysql: raw(mysql),
  mongodb: raw(mongodb),
  smtp: raw(smtp),
  tcp: raw(tcp),
}

const sockets = new Set<Socket>()
for (const [name, server] of Object.entries(servers)) {
  server.on('connection', (socket: Socket) => {
    add(accepted, name)
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
}

async function listen(): Promise<void> {
  const listening = Object.entries(servers).map(([name, server]) =>
    once(server.listen({ port: ports[name]!, host: '127.0.0.1', backlog: 4_096 }), 'listening'),
  )
  await Promise.all(listening)
  process.send?.({ readyAt: String(process.hrtime.bigint()) })
}

function listenWhenTold(): void {
  const poll = setInterval(() => {
    if (!existsSync(join(directory, 'go'))) return
    clearInterval(poll)
    void listen()
  }, 2)
}

/** Settles when nobody listens any more. */
async function sleep(): Promise<void> {
  const closed = Object.values(servers).map((server) => once(server.close(), 'close'))
  for (const socket of sockets) socket.destroy()
  await Promise.all(closed)
  process.send?.({})
}

process.on('disconnect', () => process.exit())
process.on('message', (message) => {
  if (message === 'counts') process.send?.({ accepted, served })
  else if (message === 'sleep') void sleep()
  else listenWhenTold()
})
