// A backend for tests: listens on the port that it is told, after a delay, and perhaps with a child of its own.
import { spawn } from 'node:child_process'
import { createServer } from 'node:net'

const { PORT, DELAY_MS = '0', CHILD, DEAF } = process.env
const print = (line) => process.stdout.write(`${line}\n`)

print(`server ${process.pid}`)
if (CHILD === '1') {
  const child = spawn('sleep', ['1000'], { stdio: 'inherit' })
  child.once('spawn', () => print(`child ${child.pid}`))
}
if (DEAF === '1') process.on('SIGTERM', () => undefined)
setTimeout(() => {
  const server = createServer((socket) => socket.on('error', () => undefined).end(`${process.pid}`))
  server.listen(Number(PORT), '127.0.0.1', () => print('now serving'))
}, Number(DELAY_MS))
