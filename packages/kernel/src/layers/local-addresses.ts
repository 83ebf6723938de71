import { networkInterfaces } from 'node:os'
import { parseCidr } from '../cidr.ts'
import type { Address, Clock } from '../contracts.ts'
import { parseIp, unmapped } from '../ip.ts'

const LOOPBACK = parseCidr('127.0.0.0/8')
const REREAD_MS = 5_000

/** IP literals of this machine's interfaces. */
export type InterfaceList = () => readonly string[]

/** Tells whether an address would lead back to one of the gateway's own listeners. */
export class LocalAddresses {
  readonly #clock: Clock
  readonly #list: InterfaceList
  #known: readonly Uint8Array[] = []
  #readAt = Number.NEGATIVE_INFINITY

  constructor(clock: Clock, list: InterfaceList = interfaceAddresses) {
    this.#clock = clock
    this.#list = list
  }

  /** `target` is no mapped address. `listening` are the gateway's bound addresses; a wildcard among them stands for every local address. */
  leadsBack(target: Uint8Array, port: number, listening: readonly Address[]): boolean {
    return listening.some((bound) => bound.port === port && this.#reaches(target, bound.host))
  }

  #reaches(target: Uint8Array, host: string): boolean {
    const bytes = parseIp(host === 'localhost' ? '127.0.0.1' : host)
    if (bytes === undefined) return false
    const bound = unmapped(bytes)
    // Connecting to the unspecified address reaches the local machine.
    if (isUnspecified(target)) return isUnspecified(bound) || isLoopback(bound)
    if (!isUnspecified(bound)) return equal(target, bound)
    // Bound to `::`, a socket takes IPv4 too; bound to 0.0.0.0 it takes IPv4 alone.
    return target.length <= bound.length && this.#isLocal(target)
  }

  #isLocal(target: Uint8Array): boolean {
    return isLoopback(target) || this.#current().some((own) => equal(own, target))
  }

  #current(): readonly Uint8Array[] {
    const now = this.#clock.now()
    if (now - this.#readAt < REREAD_MS) return this.#known
    this.#readAt = now
    this.#known = this.#list().flatMap((text) => parseIp(text) ?? [])
    return this.#known
  }
}

function interfaceAddresses(): readonly string[] {
  return Object.values(networkInterfaces()).flatMap((list) => (list ?? []).map(({ address }) => address))
}

function isUnspecified(address: Uint8Array): boolean {
  return address.every((byte) => byte === 0)
}

function isLoopback(address: Uint8Array): boolean {
  if (address.length === 4) return LOOPBACK.contains(address)
  return address.every((byte, index) => byte === (index === 15 ? 1 : 0))
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index])
}
