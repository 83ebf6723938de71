import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'

/** What is done with questions: every name is that of this machine, there is no such name, or there is no answer. */
export type DnsAnswer = 'here' | 'no such name' | 'silence'

/** A DNS server of which a test says what it answers. */
export class DnsServer {
  answer: DnsAnswer
  /** Questions so far. */
  asked = 0
  readonly #socket: Socket

  /** Use {@link dnsServer}. */
  constructor(socket: Socket, answer: DnsAnswer) {
    this.#socket = socket
    this.answer = answer
    socket.on('message', (question, { port, address }) => this.#reply(question, port, address))
  }

  close(): void {
    this.#socket.close()
  }

  #reply(question: Buffer, port: number, address: string): void {
    this.asked++
    if (this.answer !== 'silence') this.#socket.send(reply(question, this.answer), port, address)
  }
}

/** On port 53, the only one that the system's resolver asks: needs root. */
export async function dnsServer(host: string, answer: DnsAnswer): Promise<DnsServer> {
  const socket = createSocket('udp4')
  await once(socket.bind(53, host), 'listening')
  return new DnsServer(socket, answer)
}

/** RFC 1035 section 4: the question comes back, with an A record behind it when A was asked for. */
function reply(question: Buffer, answer: DnsAnswer): Buffer {
  const end = endOfName(question, 12) + 4
  const type = question.readUInt16BE(end - 4)
  const known = answer === 'here'
  const records = known && type === 1 ? [loopback] : []
  const head = Buffer.alloc(12)
  head.writeUInt16BE(question.readUInt16BE(0), 0)
  head.writeUInt16BE(0x8180 | (known ? 0 : 3), 2)
  head.writeUInt16BE(1, 4)
  head.writeUInt16BE(records.length, 6)
  return Buffer.concat([head, question.subarray(12, end), ...records])
}

function endOfName(bytes: Buffer, start: number): number {
  let at = start
  while (bytes[at] !== 0) at += 1 + bytes[at]!
  return at + 1
}

/** An A record of the name of the question, good for no time at all. */
const loopback = Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 127, 0, 0, 1])
