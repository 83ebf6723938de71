import { bindSocket, portOf, type SocketHandle } from './bind-socket.ts'

/** A process that listens at an address, or is about to. */
export interface Hold {
  readonly worker: number
  readonly pid: number
  /** The process's own number for it. */
  readonly id: number
  readonly seat: Seat
  listening: boolean
}

/** A socket of a worker, which its successors have after it. */
export interface Seat {
  readonly worker: number
  readonly handle: SocketHandle
  /** The system gives it connections, until it is closed. */
  listening: boolean
  loan: Loan | undefined
}

/** Another worker listens on a socket too, as nobody of its own does. */
export interface Loan {
  readonly id: number
  readonly to: Hold
}

/** What the processes of holds are told. */
export interface Lender {
  lend(loan: Loan, handle: SocketHandle): void
  recall(loan: Loan): void
}

export interface SharedAddress {
  /** IP literal. */
  readonly host: string
  /** 0: whichever the system chose. */
  readonly port: number
  /** Other instances may have it too. */
  readonly reusePort: boolean
}

let loans = 0

/**
 * The sockets of all workers at one address, one for each. The system gives each of them its part of the connections, whether somebody
 * takes them or not: while a worker is away, another one listens on its socket too.
 */
export class SocketGroup {
  readonly address: SharedAddress
  holds: Hold[] = []
  /** Others may bind there, and those of other instances cannot: it is true once the first socket listens. */
  joinable: boolean
  readonly #seats: Seat[] = []
  readonly #lender: Lender
  readonly #decided = Promise.withResolvers<void>()

  /** Throws the system's error. `worker`: whose socket is bound first. */
  constructor(address: SharedAddress, worker: number, lender: Lender) {
    this.address = address
    this.joinable = address.reusePort
    this.#lender = lender
    this.#bind(worker, address.port, address.reusePort)
  }

  /** Settles when it is joinable, or closed. */
  get decided(): Promise<void> {
    return this.#decided.promise
  }

  hold(worker: number, pid: number, id: number): Hold {
    const hold: Hold = { worker, pid, id, seat: this.#seatOf(worker), listening: false }
    this.holds.push(hold)
    return hold
  }

  listens(hold: Hold): void {
    hold.listening = true
    hold.seat.listening = true
    this.joinable = true
    this.#decided.resolve()
    this.#settleLoans()
  }

  drop(drops: (hold: Hold) => boolean): void {
    this.holds = this.holds.filter((hold) => !drops(hold))
    this.#settleLoans()
  }

  close(): void {
    for (const { handle } of this.#seats) handle.close()
    this.#decided.resolve()
  }

  #seatOf(worker: number): Seat {
    const own = this.#seats.find((seat) => seat.worker === worker)
    if (own !== undefined) return own
    const first = this.#seats[0]!
    try {
      return this.#bind(worker, portOf(first.handle), true)
    } catch {
      // One for two of them does as well.
      return first
    }
  }

  #bind(worker: number, port: number, reusePort: boolean): Seat {
    const handle = bindSocket(this.address.host, port, reusePort)
    const seat: Seat = { worker, handle, listening: false, loan: undefined }
    this.#seats.push(seat)
    return seat
  }

  #settleLoans(): void {
    for (const seat of this.#seats) {
      if (!seat.listening) continue
      if (seat.loan !== undefined && !this.#mayLend(seat.loan.to)) seat.loan = undefined
      if (this.holds.some((hold) => hold.listening && hold.seat === seat)) this.#recall(seat)
      else if (seat.loan === undefined) this.#lend(seat)
    }
  }

  #mayLend(to: Hold): boolean {
    return to.listening && this.holds.includes(to)
  }

  #recall(seat: Seat): void {
    if (seat.loan !== undefined) this.#lender.recall(seat.loan)
    seat.loan = undefined
  }

  /** To who has borrowed the fewest. */
  #lend(seat: Seat): void {
    const loansOf = (hold: Hold): number => this.#seats.filter(({ loan }) => loan?.to === hold).length
    const [to] = this.holds.filter(({ listening }) => listening).toSorted((a, b) => loansOf(a) - loansOf(b))
    if (to === undefined) return
    seat.loan = { id: ++loans, to }
    this.#lender.lend(seat.loan, seat.handle)
  }
}
