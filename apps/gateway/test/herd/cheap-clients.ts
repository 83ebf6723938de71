/**
 * Clients that cost next to nothing, so that what is measured is the gateway's: what they say is made beforehand, and of what they hear
 * they look at a byte or two.
 */
import { connect, type Socket } from 'node:net'
import { encodeMongo } from '@proxy/test-servers'
import type { ProtocolName } from '../faults/speakers.ts'
import { mysqlKeep, mysqlLogin, mysqlProof } from './mysql-wire.ts'

const tenant = 'herd'

/** What to say to the bytes that came as the so-manieth; true: that was the backend's answer; undefined: wait for more. */
type Script = (bytes: Buffer, step: number) => Buffer | true | undefined

interface Speech {
  /** Before anything was heard. */
  readonly first?: Buffer
  readonly reply: Script
}

const answered: Script = () => true

const startup = Buffer.from(`\0\0\0\0\0\x03\0\0user\0demo\0database\0${tenant}\0\0`, 'latin1')
startup.writeInt32BE(startup.length, 0)
const query = Buffer.from('Q\0\0\0\x09keep\0', 'latin1')

const readyForQuery = Buffer.from('Z\0\0\0\x05I', 'latin1')

const login = mysqlLogin(tenant)
const authSwitch = 0xfe

function mysqlReply(bytes: Buffer, step: number): Buffer | true {
  if (step === 0) return login
  if (bytes[4] === authSwitch) return mysqlProof(bytes[3]! + 1)
  // The login's answer is numbered behind it, that of a query starts anew.
  return bytes[3] === 1 ? true : mysqlKeep
}

const lines = [
  `EHLO ${tenant}.localhost`,
  'MAIL FROM:<a@x.test>',
  `RCPT TO:<b@${tenant}.localhost>`,
  'DATA',
  'hello\r\n.',
]
const mail = lines.map((line) => Buffer.from(`${line}\r\n`))

const speeches: Readonly<Record<ProtocolName, Speech>> = {
  http: { first: Buffer.from(`GET / HTTP/1.1\r\nHost: ${tenant}.localhost\r\n\r\n`), reply: answered },
  postgres: {
    first: startup,
    reply(bytes) {
      if (!bytes.subarray(-6).equals(readyForQuery)) return undefined
      return bytes.includes('KEPT') ? true : query
    },
  },
  mysql: { reply: mysqlReply },
  mongodb: { first: encodeMongo({ keep: 1, $db: tenant }), reply: answered },
  smtp: { reply: (_bytes, step) => mail[step] ?? true },
  tcp: { first: Buffer.from('keep\n'), reply: answered },
}

/** Connects, and waits. */
export class CheapClient {
  /** Settles with the milliseconds of the monotonic clock at which the backend's answer had come; rejects when the connection ends before. */
  readonly answer: Promise<number>
  readonly #socket: Socket

  constructor(protocol: ProtocolName, port: number) {
    const { promise, resolve, reject } = Promise.withResolvers<number>()
    const { first, reply } = speeches[protocol]
    const socket = connect({ port, host: '127.0.0.1', noDelay: true })
    let step = 0
    socket.on('data', (bytes: Buffer) => {
      const next = reply(bytes, step)
      if (next === undefined) return
      step++
      if (next === true) resolve(Number(process.hrtime.bigint()) / 1e6)
      else socket.write(next)
    })
    socket.on('error', reject).on('close', () => reject(new Error(`${protocol} was cut off`)))
    if (first !== undefined) socket.write(first)
    this.answer = promise
    this.#socket = socket
  }

  /** Leaves by a reset, as an end may be that of one direction only. */
  leave(): void {
    this.#socket.resetAndDestroy()
  }
}
