import { disposeAll } from '../attempt.ts'
import type { Backend, Dial, Dialled, DialRequest, Disposer, LayerContext, Link } from '../contracts.ts'
import { BalanceGroup, type BalancePolicy } from './balance-group.ts'
import type { EndpointSlot } from './endpoint-slot.ts'

/** Backends that are balanced at a time; the one that has been known longest is forgotten for one more. */
const mostGroups = 10_000
const mostInStats = 200

/** The connections of every backend that has several endpoints. */
export class Balancer {
  readonly #policy: BalancePolicy
  readonly #slowStartMs: number
  readonly #context: LayerContext
  /** By backend id. */
  readonly #groups = new Map<string, BalanceGroup>()

  constructor(policy: BalancePolicy, slowStartMs: number, context: LayerContext) {
    this.#policy = policy
    this.#slowStartMs = slowStartMs
    this.#context = context
  }

  watch(): Disposer {
    const { hooks, clock } = this.#context
    const disposers = [
      hooks.on('endpoint:health', ({ backend, endpoint, healthy }) =>
        this.#groups.get(backend.id)?.judge(endpoint, healthy, clock.now()),
      ),
      hooks.on('circuit:change', ({ backend, endpoint, state, openMs }) => {
        if (state !== 'half-open') this.#groups.get(backend.id)?.open(endpoint, openMs, clock.now())
      }),
    ]
    return () => {
      disposeAll(hooks, disposers)
      this.#groups.clear()
    }
  }

  /** Counts the connection where it is wanted at once, so that dials under way are seen by the next. */
  async dial(next: Dial, request: DialRequest, signal: AbortSignal): Promise<Dialled> {
    const group = this.#groupOf(request.backend)
    const order = group.order(this.#context.clock.now())
    const first = order[0] as EndpointSlot
    const endpoints = order.map(({ endpoint }) => endpoint)
    first.connections++
    try {
      const dialled = await next({ ...request, endpoint: first.endpoint, order: endpoints }, signal)
      const slot = dialled.endpoint === first.endpoint ? first : this.#move(first, group, dialled)
      hold(slot, dialled.link)
      return dialled
    } catch (error) {
      first.connections--
      throw error
    }
  }

  stats(): Record<string, unknown> {
    const now = this.#context.clock.now()
    const all = [...this.#groups.values()].flatMap(({ backend, slots }) => slots.map((slot) => ({ backend, slot })))
    return {
      endpoints: all.slice(0, mostInStats).map(({ backend, slot }) => ({
        backend: backend.id,
        endpoint: slot.address,
        connections: slot.connections,
        weight: slot.weight,
        draining: slot.draining,
        slowStart: slot.slowSince !== undefined && now - slot.slowSince < this.#slowStartMs,
      })),
    }
  }

  /** Another endpoint took the connection. */
  #move(from: EndpointSlot, group: BalanceGroup, { endpoint }: Dialled): EndpointSlot {
    const to = group.find(endpoint) ?? from
    from.connections--
    to.connections++
    return to
  }

  #groupOf(backend: Backend): BalanceGroup {
    const known = this.#groups.get(backend.id)
    if (known !== undefined) {
      if (known.backend !== backend) known.adopt(backend, this.#context.clock.now())
      return known
    }
    if (this.#groups.size >= mostGroups) this.#forgetOne()
    const group = new BalanceGroup(backend, this.#policy, this.#slowStartMs)
    this.#groups.set(backend.id, group)
    return group
  }

  #forgetOne(): void {
    for (const oldest of this.#groups.keys()) {
      this.#groups.delete(oldest)
      return
    }
  }
}

/** A link that cannot tell when it is closed counts only while it is dialled. */
function hold(slot: EndpointSlot, link: Link): void {
  const leave = (): void => void slot.connections--
  if (link.onceClosed === undefined) leave()
  else link.onceClosed(leave)
}
