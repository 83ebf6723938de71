import { block } from './memory.ts'
import { EPOLL_CLOEXEC, EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLL_CTL_MOD } from './constants.ts'
import type { HeldWrites } from './held-writes.ts'
import type { Layout } from './layout.ts'
import type { LoopHandle } from './loop-handle.ts'
import { type System, systemError } from './system.ts'

/** Has a file descriptor in the poller. */
export interface Pollable {
  /** What epoll said: EPOLLIN, EPOLLOUT, EPOLLRDHUP, EPOLLERR, EPOLLHUP. */
  onReady(events: number): void
}

/** Knows by itself that there is something to read. */
export interface Eager {
  onTurn(): void
}

/** Has something to do once the events at hand are dealt with. */
export interface Deferred {
  onSettled(): void
}

const MOST_EVENTS = 256
/** So many at once mean that more have come meanwhile. */
const BUSY_EVENTS = 8
/** Then they are looked after at once, but libuv gets its turn. */
const MOST_BATCHES = 4

/**
 * An epoll set of our own inside of libuv's: libuv watches the set as one descriptor and calls us when anything in it is
 * ready, so that timers, promises and Node's own sockets go on beside it in the same thread.
 *
 * A descriptor is closed only when no event of the batch at hand can still name it: see {@link defer}.
 */
export class Poller {
  readonly system: System
  readonly #layout: Layout
  readonly #handle: LoopHandle
  readonly #held: HeldWrites
  readonly #epoll: number
  readonly #targets: (Pollable | undefined)[] = []
  readonly #events = block(MOST_EVENTS * 16)
  readonly #words: Uint32Array
  readonly #change = block(16)
  readonly #changeWords: Uint32Array
  #deferred: Deferred[] = []
  #eager: Eager[] = []
  /** A batch is dealt with, or will be without an event. */
  #awake = false
  #size = 0
  /** The words of the events that are not dealt with yet. */
  #next = 0
  #end = 0

  constructor(system: System, layout: Layout, handle: LoopHandle, held: HeldWrites) {
    this.system = system
    this.#layout = layout
    this.#handle = handle
    this.#held = held
    this.#words = new Uint32Array(this.#events.bytes.buffer)
    this.#changeWords = new Uint32Array(this.#change.bytes.buffer)
    this.#epoll = system.epollCreate(EPOLL_CLOEXEC)
    if (this.#epoll < 0) throw systemError(system.errno(), 'epoll_create1')
    handle.watch(this.#epoll, system, () => this.wake())
  }

  add(fd: number, target: Pollable, events: number): void {
    this.#targets[fd] = target
    this.#control(EPOLL_CTL_ADD, fd, events)
    if (this.#size++ === 0) this.#handle.ref()
  }

  change(fd: number, events: number): void {
    this.#control(EPOLL_CTL_MOD, fd, events)
  }

  /** Another one looks after the descriptor from here on; what is asked for stays. */
  handOver(fd: number, target: Pollable): void {
    this.#targets[fd] = target
  }

  /** No event is delivered for it any more, not even one that was reported already. */
  remove(fd: number): void {
    if (this.#targets[fd] === undefined) return
    this.#control(EPOLL_CTL_DEL, fd, 0)
    this.forget(fd)
  }

  /** The same for a descriptor that is closed behind the events at hand, which takes it out of the set. */
  forget(fd: number): void {
    if (this.#targets[fd] === undefined) return
    this.#targets[fd] = undefined
    if (--this.#size === 0) this.#handle.unref()
  }

  /** Calls `onSettled` behind the events at hand, before anything else is waited for. */
  defer(task: Deferred): void {
    if (this.#deferred.length === 0) process.nextTick(settle, this)
    this.#deferred.push(task)
  }

  /** Calls `onTurn` behind the events at hand, or in the next turn of the loop: nothing else would tell of what there is to read. */
  queue(reader: Eager): void {
    this.#eager.push(reader)
    this.#wakeLater()
  }

  settle(): void {
    const tasks = this.#deferred
    this.#deferred = []
    for (const task of tasks) task.onSettled()
  }

  /** Deals with what is ready; what comes meanwhile is dealt with at once when it is likely to be much. */
  wake(): void {
    this.#awake = true
    try {
      for (let batch = 0; batch < MOST_BATCHES; batch++) {
        if (this.#batch() < BUSY_EVENTS && this.#eager.length === 0) break
      }
    } finally {
      this.#awake = false
      // Also where one of them threw: nobody is told of the others' events again.
      if (this.#eager.length > 0 || this.#next < this.#end) this.#wakeLater()
    }
  }

  #batch(): number {
    const count = this.#next === this.#end ? this.#poll() : 0
    this.#held.begin()
    try {
      this.#dispatch()
      this.#takeTurns()
    } finally {
      this.#held.end()
    }
    return count
  }

  #poll(): number {
    const count = this.system.epollWait(this.#epoll, this.#events.address, MOST_EVENTS, 0)
    this.#next = 0
    this.#end = Math.max(0, count) * this.#layout.eventWords
    return count
  }

  /** One turn each: who wants another has it behind the next batch. */
  #takeTurns(): void {
    for (let left = this.#eager.length; left > 0; left--) this.#eager.shift()?.onTurn()
  }

  #wakeLater(): void {
    if (this.#awake) return
    this.#awake = true
    setImmediate(wake, this)
  }

  #dispatch(): void {
    const { eventWords, fdWord } = this.#layout
    while (this.#next < this.#end) {
      const word = this.#next
      this.#next += eventWords
      const events = this.#words[word] as number
      this.#targets[this.#words[word + fdWord] as number]?.onReady(events)
    }
  }

  #control(operation: number, fd: number, events: number): void {
    this.#changeWords[0] = events
    this.#changeWords[this.#layout.fdWord] = fd
    if (this.system.epollCtl(this.#epoll, operation, fd, this.#change.address) < 0) {
      throw systemError(this.system.errno(), 'epoll_ctl')
    }
  }
}

function wake(poller: Poller): void {
  poller.wake()
}

function settle(poller: Poller): void {
  poller.settle()
}
