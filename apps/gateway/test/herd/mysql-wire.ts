/** As little of MySQL as clients and servers need that do not look at what they are sent. */

export const mysqlQuery = 0x03

export function mysqlPacket(sequence: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(4)
  head.writeUIntLE(payload.length, 0, 3)
  head[3] = sequence
  return Buffer.concat([head, payload])
}

const plugin = 'mysql_native_password\0'
const nonce = 'abcdefghijklmnopqrst'
/** Long passwords and flags, a database in the login, 4.1, transactions, secure connections, plugins. */
const flags = 0x8_a2_0d
const utf8mb4 = 45
const autocommit = 2

const greeting = (): Buffer => {
  const fixed = Buffer.alloc(18)
  fixed.writeUInt16LE(flags & 0xff_ff, 0)
  fixed[2] = utf8mb4
  fixed.writeUInt16LE(autocommit, 3)
  fixed.writeUInt16LE(flags >> 16, 5)
  fixed[7] = nonce.length + 1
  const version = Buffer.from('\u000A8.0.40\0', 'latin1')
  const id = Buffer.of(1, 0, 0, 0)
  return Buffer.concat([version, id, text(`${nonce.slice(0, 8)}\0`), fixed, text(`${nonce.slice(8)}\0${plugin}`)])
}

const text = (value: string): Buffer => Buffer.from(value, 'latin1')

const login = (database: string): Buffer => {
  const head = Buffer.alloc(32)
  head.writeUInt32LE(flags, 0)
  head.writeUInt32LE(1 << 24, 4)
  head[8] = utf8mb4
  return Buffer.concat([head, text(`demo\0\u0014${nonce}${database}\0${plugin}`)])
}

export const mysqlGreeting: Buffer = mysqlPacket(0, greeting())

export const mysqlOk = (sequence: number): Buffer => mysqlPacket(sequence, Buffer.of(0, 0, 0, autocommit, 0, 0, 0))

export const mysqlLogin = (database: string): Buffer => mysqlPacket(1, login(database))

/** Twenty bytes, which nobody checks. */
export const mysqlProof = (sequence: number): Buffer => mysqlPacket(sequence, text(nonce))

export const mysqlKeep: Buffer = mysqlPacket(0, Buffer.concat([Buffer.of(mysqlQuery), text('keep')]))
