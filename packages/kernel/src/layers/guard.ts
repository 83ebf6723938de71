import { invalid } from '../address.ts'
import type { Dial, Dialled, DialRequest, GuardOptions, Layer, LayerContext } from '../contracts.ts'
import { type ErrorCode, GatewayError } from '../errors.ts'
import type { Classified } from './address-rules.ts'
import { Dns, type Lookup } from './dns.ts'
import { GuardRules } from './guard-rules.ts'
import { type InterfaceList, LocalAddresses } from './local-addresses.ts'

const DEFAULT_DNS_TTL_MS = 30_000
// Every further address shortens the time that each of them gets.
const MOST_ADDRESSES = 8

/** What the guard otherwise asks the system; for tests. */
export interface GuardSources {
  readonly lookup?: Lookup | undefined
  readonly interfaces?: InterfaceList | undefined
}

/**
 * The SSRF guard. The gateway adds it innermost by itself; name it only where layers are composed by hand.
 *
 * A host name is looked up here, every address of it must pass, and the connection goes to an address that passed: what
 * DNS says a moment later does not matter. Addresses are tried in order, lookup and all within the connect timeout.
 * Special ranges are refused with `PROXY_DIAL_FORBIDDEN` unless allowed; the gateway's own listeners with
 * `PROXY_DIAL_LOOP`, allowed or not. Throws `PROXY_CONFIG_INVALID` for an option that makes no sense.
 */
export function guard(options: GuardOptions = {}, sources: GuardSources = {}): Layer {
  const rules = new GuardRules(options)
  const { dnsTtlMs = DEFAULT_DNS_TTL_MS } = options
  if (!(dnsTtlMs >= 0)) throw invalid(`dnsTtlMs: ${dnsTtlMs}`, 'is not 0 or more')
  let context: LayerContext | undefined
  return {
    name: 'guard',
    setup(given) {
      context = given
    },
    dial(next) {
      if (context === undefined) throw new GatewayError('PROXY_INTERNAL')
      const guarded = new GuardedDial(next, rules, context, dnsTtlMs, sources)
      return (request, signal) => guarded.dial(request, signal)
    },
  }
}

class GuardedDial {
  readonly #next: Dial
  readonly #rules: GuardRules
  readonly #context: LayerContext
  readonly #dns: Dns
  readonly #local: LocalAddresses

  constructor(next: Dial, rules: GuardRules, context: LayerContext, dnsTtlMs: number, sources: GuardSources) {
    this.#next = next
    this.#rules = rules
    this.#context = context
    this.#dns = new Dns(context.clock, dnsTtlMs, sources.lookup)
    this.#local = new LocalAddresses(context.clock, sources.interfaces)
  }

  dial(request: DialRequest, signal: AbortSignal): Promise<Dialled> {
    try {
      return this.#dial(request, signal)
    } catch (error) {
      return Promise.reject(GatewayError.from(error))
    }
  }

  /** An address that needs no lookup is dialled without a promise of its own. */
  #dial(request: DialRequest, signal: AbortSignal): Promise<Dialled> {
    const { host } = request.endpoint
    const port = request.endpoint.port ?? request.defaultPort
    if (port === undefined) {
      throw new GatewayError('PROXY_RESOLVE_INTERNAL', { cause: new Error(`${host} comes without a port`) })
    }
    const literal = this.#rules.classify(host)
    if (literal !== undefined) return this.#next({ ...request, address: this.#checked(literal, port, host) }, signal)
    return this.#dialName(host, port, request, signal)
  }

  async #dialName(host: string, port: number, request: DialRequest, signal: AbortSignal): Promise<Dialled> {
    const deadline = this.#context.clock.now() + request.connectTimeoutMs
    const found = await this.#lookUp(host, request.connectTimeoutMs, signal)
    const addresses = found.map((text) => this.#checked(this.#rules.classify(text), port, host))
    return this.#dialAny(addresses.slice(0, MOST_ADDRESSES), deadline, request, signal)
  }

  /** The address as text once it has passed; throws otherwise. */
  #checked(found: Classified | undefined, port: number, host: string): string {
    if (found === undefined || !this.#rules.allowsPort(port)) throw refusal('PROXY_DIAL_FORBIDDEN', found, port, host)
    if (this.#local.leadsBack(found.address, port, this.#context.listening())) {
      throw refusal('PROXY_DIAL_LOOP', found, port, host)
    }
    if (!this.#rules.allows(found, port)) throw refusal('PROXY_DIAL_FORBIDDEN', found, port, host)
    return found.text
  }

  async #lookUp(host: string, timeoutMs: number, signal: AbortSignal): Promise<readonly string[]> {
    const known = this.#dns.known(host)
    if (known !== undefined) return known
    const patienceMs = this.#dns.patienceMs(host, timeoutMs)
    try {
      return await this.#ask(host, patienceMs, signal)
    } catch (error) {
      const stale = this.#dns.stale(host)
      if (stale === undefined || signal.aborted) throw error
      return stale
    }
  }

  async #ask(host: string, timeoutMs: number, signal: AbortSignal): Promise<readonly string[]> {
    const limit = new AbortController()
    const cancel = this.#context.clock.after(timeoutMs, () => limit.abort(new GatewayError('PROXY_DIAL_TIMEOUT')))
    try {
      return await this.#dns.ask(host, AbortSignal.any([signal, limit.signal]))
    } finally {
      cancel()
    }
  }

  async #dialAny(
    addresses: readonly string[],
    deadline: number,
    request: DialRequest,
    signal: AbortSignal,
  ): Promise<Dialled> {
    let failure: GatewayError | undefined
    for (const [index, address] of addresses.entries()) {
      const remaining = deadline - this.#context.clock.now()
      if (remaining <= 0) break
      const connectTimeoutMs = Math.max(1, Math.ceil(remaining / (addresses.length - index)))
      try {
        return await this.#next({ ...request, address, connectTimeoutMs }, signal)
      } catch (error) {
        if (signal.aborted || !(GatewayError.is(error) && error.retryable)) throw error
        failure = error
      }
    }
    throw failure ?? new GatewayError('PROXY_DIAL_TIMEOUT')
  }
}

function refusal(code: ErrorCode, found: Classified | undefined, port: number, host: string): GatewayError {
  return new GatewayError(code, { cause: new Error(`${found?.text ?? 'no IP address'} port ${port}, for ${host}`) })
}
