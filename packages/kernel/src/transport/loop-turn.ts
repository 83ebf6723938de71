import { smallBuffers } from './write-buffers.ts'

/** Whose small writes are held. */
export interface HeldWriter {
  /** Sends them now: the first bytes of a buffer, borrowed, that is the writer's to give back. Calls nobody who could write. */
  sendHeld(lent: Buffer, length: number): void
}

/** Who dials at the end of the turn. */
export interface HeldDial {
  begin(): void
}

/** More than so many are not held together. */
const MOST_HELD = 16
/** For how many turns connections that keep coming in may put off what is held. */
const MOST_TURNS = 8
/** How many in a row are not held, at most, where nothing comes together. */
const MOST_SKIPPED = 64

/** One small write, or several of one writer. */
interface Held {
  writer: HeldWriter | undefined
  lent: Buffer
  length: number
}

/**
 * What is done back to back when a turn of the event loop has no more events: writes of at most 4 KiB, and dials. Most of what
 * either costs is waking a peer that sleeps, and while one follows the other it is awake already. Node accepts one connection a
 * turn: while each turn has one, several of them make a batch. Where one is all that a turn has, as with a lone client, it is
 * not held, and only now and then it is tried whether that is still so.
 */
export class LoopTurn {
  readonly #held: Held[] = []
  /** So many of them are in use. */
  #count = 0
  readonly #dials: HeldDial[] = []
  readonly #onEnd = (): void => this.#ended()
  #scheduled = false
  #accepted = false
  #turns = 0
  /** In this batch. */
  #taken = 0
  #toSkip = 0
  #skipping = 0

  /** A connection came in: there may be more. */
  accepted(): void {
    this.#accepted = true
  }

  /** Copies the bytes; a string is latin1. False: not held, and the caller's to send. */
  write(writer: HeldWriter, bytes: Uint8Array | string): boolean {
    if (bytes.length > smallBuffers.size || !this.#holds()) return false
    const last = this.#held[this.#count - 1]
    if (last?.writer === writer && append(last, bytes)) return true
    if (this.#count === MOST_HELD) this.flush()
    this.#take(writer, bytes)
    this.#schedule()
    return true
  }

  dial(dial: HeldDial): void {
    if (!this.#holds()) return dial.begin()
    this.#dials.push(dial)
    this.#schedule()
    if (this.#dials.length === MOST_HELD) this.#dialAll()
  }

  /** Sends what was written so far. */
  flush(): void {
    const count = this.#count
    this.#count = 0
    for (let index = 0; index < count; index++) {
      const held = this.#held[index] as Held
      const { writer, lent } = held
      held.writer = undefined
      held.lent = NOTHING
      writer?.sendHeld(lent, held.length)
    }
  }

  #holds(): boolean {
    if (this.#scheduled || this.#toSkip === 0) return true
    this.#toSkip--
    return false
  }

  #take(writer: HeldWriter, bytes: Uint8Array | string): void {
    const held = (this.#held[this.#count++] ??= { writer: undefined, lent: NOTHING, length: 0 })
    held.writer = writer
    held.lent = smallBuffers.borrow()
    held.length = 0
    append(held, bytes)
  }

  #schedule(): void {
    this.#taken++
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(this.#onEnd)
  }

  #ended(): void {
    if (this.#accepted && this.#turns < MOST_TURNS) {
      this.#accepted = false
      this.#turns++
      setImmediate(this.#onEnd)
      return
    }
    this.#learn()
    this.#scheduled = false
    this.#accepted = false
    this.#turns = 0
    this.flush()
    this.#dialAll()
  }

  /** After a batch of one the next are not held, twice as many each time. */
  #learn(): void {
    this.#skipping = this.#taken > 1 ? 0 : Math.min(MOST_SKIPPED, this.#skipping * 2 || 1)
    this.#toSkip = this.#skipping
    this.#taken = 0
  }

  #dialAll(): void {
    if (this.#dials.length === 0) return
    for (const dial of this.#dials.splice(0)) dial.begin()
  }
}

const NOTHING: Buffer = Buffer.alloc(0)

/** false: there is no room. */
function append(held: Held, bytes: Uint8Array | string): boolean {
  const { lent, length: start } = held
  if (start + bytes.length > lent.length) return false
  if (typeof bytes === 'string') lent.write(bytes, start, 'latin1')
  else lent.set(bytes, start)
  held.length = start + bytes.length
  return true
}

/** The event loop of this thread. */
export const loopTurn: LoopTurn = new LoopTurn()
