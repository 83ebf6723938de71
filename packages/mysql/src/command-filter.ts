import type { RelayFilter, RelayPort } from '@proxy/kernel'
import { AnswerCount } from './answer-count.ts'
import { maxChangeUserBytes, withoutProof } from './change-user.ts'
import { endsIdle, okEndsIdle } from './idle.ts'
import { killTarget, maxKillBytes, mayKill, retarget } from './kill.ts'
import { commands, encodePacket, headerBytes } from './wire.ts'

const unanswered: readonly number[] = [commands.quit, commands.stmtSendLongData, commands.stmtClose]

/** What the commands of a session may mean beyond its backend. */
export interface CommandScope {
  /** What the server calls a session that this one may kill; undefined: let the id stand. */
  find(id: number): number | undefined | Promise<number | undefined>
  /** A user's name as the tenant knows it. */
  userWithin(name: string): string
}

/**
 * Walks over the client's packets, of which it looks at the header and the first byte, and holds nothing back but what
 * may be a KILL or a COM_CHANGE_USER until the whole of it is there.
 */
export class CommandFilter implements RelayFilter {
  readonly #scope: CommandScope
  /** Offset of the text in COM_QUERY; attributes stand before it where the client has been offered them. */
  readonly #textAt: number
  /** Bytes of the packet under way that pass unseen. */
  #passing = 0
  #held: Buffer | undefined = undefined
  #lastSequence = 0
  readonly #answers: AnswerCount = new AnswerCount()
  /** Commands that have an answer; clients may send several before the first of them comes. */
  #commands: number
  /** What a short answer says of itself; undefined: its last bytes must tell. */
  #endedIdle: boolean | undefined = undefined

  /** `awaited`: answers that are due from the beginning. */
  constructor(scope: CommandScope, hasQueryAttributes: boolean, awaited = 0) {
    this.#scope = scope
    this.#commands = awaited
    this.#textAt = hasQueryAttributes ? 3 : 1
  }

  fromClient(bytes: Buffer, port: RelayPort): void | Promise<void> {
    if (this.#held === undefined && this.#passing >= bytes.length) {
      this.#passing -= bytes.length
      return port.toBackend(bytes)
    }
    return this.#walk(bytes, port)
  }

  fromBackend(bytes: Buffer, port: RelayPort): void {
    this.#answers.take(bytes)
    this.#endedIdle = okEndsIdle(bytes)
    port.toClient(bytes)
  }

  quiet(tail: Buffer): boolean {
    return this.#answers.begun >= this.#commands && (this.#endedIdle ?? endsIdle(tail))
  }

  #walk(bytes: Buffer, port: RelayPort): void | Promise<void> {
    const all = this.#held === undefined ? bytes : Buffer.concat([this.#held, bytes])
    this.#held = undefined
    let at = Math.min(this.#passing, all.length)
    this.#passing -= at
    while (at < all.length) {
      const next = this.#step(all, at)
      if (next === at) break
      if (next < 0) return this.#amend(all, at, port)
      at = next
    }
    port.toBackend(all.subarray(0, at))
    if (at < all.length) this.#held = Buffer.from(all.subarray(at))
  }

  /** Offset behind what may pass of the packet at `at`: `at` itself when more of it must come; -1: it has to be looked into. */
  #step(all: Buffer, at: number): number {
    if (all.length - at < headerBytes) return at
    const length = all.readUIntLE(at, 3)
    const end = at + headerBytes + length
    if (length > 0 && this.#isCommand(all[at + 3]!)) {
      const most = this.#mostOf(all, at + headerBytes, length)
      if (most === undefined) return at
      if (length <= most) return end <= all.length ? -1 : at
      this.#count(all[at + headerBytes]!, length)
    }
    this.#lastSequence = all[at + 3]!
    if (end > all.length) this.#passing = end - all.length
    return Math.min(end, all.length)
  }

  /** The answer to a command of several packets is numbered behind them: that one is not waited for. */
  #count(command: number, length: number): void {
    if (!unanswered.includes(command) && length < 0xff_ffff) this.#commands++
  }

  /** A command begins to count anew; a long run of packets that comes round to 0 goes on. */
  #isCommand(sequence: number): boolean {
    return sequence === 0 && this.#lastSequence !== 255
  }

  /** How long a command that begins like this may be and is of interest; undefined: its first bytes are not there. */
  #mostOf(all: Buffer, at: number, length: number): number | undefined {
    if (at >= all.length) return undefined
    const command = all[at]
    if (command === commands.processKill || command === commands.changeUser) return maxChangeUserBytes
    if (command !== commands.query && command !== commands.stmtPrepare) return 0
    const text = at + (command === commands.query ? this.#textAt : 1)
    if (text >= at + length) return 0
    return text >= all.length ? undefined : mayKill(all[text]) ? maxKillBytes : 0
  }

  #amend(all: Buffer, at: number, port: RelayPort): void | Promise<void> {
    port.toBackend(all.subarray(0, at))
    this.#lastSequence = 0
    this.#commands++
    const end = at + headerBytes + all.readUIntLE(at, 3)
    const packet = all.subarray(at, end)
    const payload = packet.subarray(headerBytes)
    if (payload[0] === commands.changeUser)
      return this.#goOn(encodePacket(0, withoutProof(payload, this.#scope)), all, end, port)
    const target = killTarget(payload, payload[0] === commands.query ? this.#textAt : 1)
    const found = target && this.#scope.find(target.id)
    if (target === undefined || found === undefined) return this.#goOn(packet, all, end, port)
    if (typeof found === 'number') return this.#goOn(encodePacket(0, retarget(payload, target, found)), all, end, port)
    const [kept, rest] = [Buffer.from(packet), Buffer.from(all.subarray(end))]
    return found.then((id) => {
      const amended = id === undefined ? kept : encodePacket(0, retarget(kept.subarray(headerBytes), target, id))
      return this.#goOn(amended, rest, 0, port)
    })
  }

  #goOn(packet: Buffer, all: Buffer, end: number, port: RelayPort): void | Promise<void> {
    port.toBackend(packet)
    return this.#walk(all.subarray(end), port)
  }
}
