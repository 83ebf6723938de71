import type { Backend, Endpoint } from '../contracts.ts'
import { EndpointSlot } from './endpoint-slot.ts'

export type BalancePolicy = 'least-connections' | 'p2c'

/** The endpoints of one backend: chooses among them. */
export class BalanceGroup {
  backend: Backend
  slots: readonly EndpointSlot[]
  readonly #policy: BalancePolicy
  readonly #slowStartMs: number

  constructor(backend: Backend, policy: BalancePolicy, slowStartMs: number) {
    this.backend = backend
    this.#policy = policy
    this.#slowStartMs = slowStartMs
    this.slots = backend.endpoints.map((endpoint) => new EndpointSlot(endpoint))
  }

  find(endpoint: Endpoint): EndpointSlot | undefined {
    return this.slots.find((slot) => slot.endpoint === endpoint) ?? this.#atAddress(endpoint)
  }

  /** The backend's endpoints changed. Those that are new begin slowly. */
  adopt(backend: Backend, now: number): void {
    this.slots = backend.endpoints.map((endpoint) => {
      const slot = this.#atAddress(endpoint) ?? this.#slow(new EndpointSlot(endpoint), now)
      slot.endpoint = endpoint
      return slot
    })
    this.backend = backend
  }

  /** What checks say of an endpoint. One that is healthy again begins slowly. */
  judge(endpoint: Endpoint, healthy: boolean, now: number): void {
    const slot = this.find(endpoint)
    if (slot === undefined || slot.healthy === healthy) return
    slot.healthy = healthy
    if (healthy) this.#slow(slot, now)
  }

  /** Its circuit was opened for so long, or closed (0). */
  open(endpoint: Endpoint, openMs: number, now: number): void {
    const slot = this.find(endpoint)
    if (slot === undefined) return
    slot.openUntil = openMs === 0 ? 0 : now + openMs
    if (openMs === 0) this.#slow(slot, now)
  }

  /** The endpoints in the order in which they should be tried: the chosen one, the others that can be used, the rest. */
  order(now: number): readonly EndpointSlot[] {
    const best = Math.min(...this.slots.map((slot) => slot.tier(now)))
    const first = this.#choose(
      this.slots.filter((slot) => slot.tier(now) === best),
      now,
    )
    const others = this.slots.filter((slot) => slot !== first)
    // Of several that are as good, another one each time gets what the first cannot take.
    const from = others.length === 0 ? 0 : first.failovers++ % others.length
    const rest = [...others.slice(from), ...others.slice(0, from)]
    return [first, ...rest.toSorted((a, b) => a.tier(now) - b.tier(now) || a.load - b.load)]
  }

  #choose(among: readonly EndpointSlot[], now: number): EndpointSlot {
    const due = this.#slowOneDue(among, now)
    if (due !== undefined) return due
    const warm = among.filter(({ slowSince }) => slowSince === undefined)
    const candidates = warm.length > 0 ? warm : among
    if (candidates.length === 1) return candidates[0] as EndpointSlot
    return this.#policy === 'p2c' ? betterOfTwo(candidates) : nextOf(leastLoaded(candidates))
  }

  /** A slow endpoint gets a part of its fair share, which grows to the whole of it. */
  #slowOneDue(among: readonly EndpointSlot[], now: number): EndpointSlot | undefined {
    let due: EndpointSlot | undefined
    for (const slot of among) {
      if (slot.slowSince === undefined) continue
      const part = (now - slot.slowSince) / this.#slowStartMs
      if (part >= 1) slot.slowSince = undefined
      else slot.credit += (Math.max(part, 0.05) * slot.weight) / sumOfWeights(among)
      if (slot.slowSince !== undefined && slot.credit >= 1) due ??= slot
    }
    if (due !== undefined) due.credit -= 1
    return due
  }

  #slow(slot: EndpointSlot, now: number): EndpointSlot {
    slot.slowSince = this.#slowStartMs === 0 ? undefined : now
    slot.credit = 0
    return slot
  }

  #atAddress(endpoint: Endpoint): EndpointSlot | undefined {
    const { address } = new EndpointSlot(endpoint)
    return this.slots.find((slot) => slot.address === address)
  }
}

function sumOfWeights(slots: readonly EndpointSlot[]): number {
  return slots.reduce((sum, { weight }) => sum + weight, 0) || slots.length
}

function leastLoaded(slots: readonly EndpointSlot[]): readonly EndpointSlot[] {
  const least = Math.min(...slots.map(({ load }) => load))
  return slots.filter(({ load }) => load === least)
}

/** Takes turns by weight, spread evenly. */
function nextOf(slots: readonly EndpointSlot[]): EndpointSlot {
  let next = slots[0] as EndpointSlot
  for (const slot of slots) {
    slot.turn += slot.weight
    if (slot.turn > next.turn) next = slot
  }
  next.turn -= sumOfWeights(slots)
  return next
}

/** The less loaded of two that are drawn by weight. */
function betterOfTwo(slots: readonly EndpointSlot[]): EndpointSlot {
  const one = drawn(slots)
  const other = drawn(slots.filter((slot) => slot !== one))
  return other.load < one.load ? other : one
}

function drawn(slots: readonly EndpointSlot[]): EndpointSlot {
  let at = Math.random() * sumOfWeights(slots)
  for (const slot of slots) {
    at -= slot.weight
    if (at < 0) return slot
  }
  return slots.at(-1) as EndpointSlot
}
