import { invalid } from '../address.ts'
import { type Cidr, parseCidr } from '../cidr.ts'
import type { GuardOptions } from '../contracts.ts'
import { type Classified, classify } from './address-rules.ts'

const MAX_KNOWN = 10_000
const PORTS = /^([1-9]\d{0,4})(?:-([1-9]\d{0,4}))?$/

interface Exception {
  readonly range: Cidr
  readonly from: number
  readonly to: number
}

/** What the options of the guard let through. Throws `PROXY_CONFIG_INVALID`. */
export class GuardRules {
  readonly #exceptions: readonly Exception[]
  readonly #ports: ReadonlySet<number> | undefined
  readonly #known = new Map<string, Classified>()

  constructor(options: GuardOptions) {
    this.#exceptions = (options.allow ?? []).map(parseException)
    this.#ports = options.ports === undefined ? undefined : new Set(options.ports.map(checkedPort))
  }

  allowsPort(port: number): boolean {
    return this.#ports === undefined || this.#ports.has(port)
  }

  /** Remembers addresses: the same few are dialled over and over. */
  classify(literal: string): Classified | undefined {
    const known = this.#known.get(literal)
    if (known !== undefined) return known
    const classified = classify(literal)
    if (classified === undefined) return undefined
    if (this.#known.size >= MAX_KNOWN) this.#known.clear()
    this.#known.set(literal, classified)
    return classified
  }

  allows({ metadata, special }: Classified, port: number): boolean {
    return !metadata && special.every((form) => this.#excepts(form, port))
  }

  #excepts(form: Uint8Array, port: number): boolean {
    return this.#exceptions.some(({ range, from, to }) => from <= port && port <= to && range.contains(form))
  }
}

function parseException(text: string): Exception {
  const [range = '', ports, ...more] = text.trim().split(/\s+/)
  const match = PORTS.exec(ports ?? '1-65535')
  const from = Number(match?.[1])
  const to = Number(match?.[2] ?? match?.[1])
  if (more.length > 0 || !(from <= to && to <= 65_535)) {
    throw invalid(text, 'is no exception; write 10.0.0.0/8, 10.0.0.0/8 5432 or 10.0.0.0/8 1024-65535')
  }
  return { range: parseCidr(range), from, to }
}

function checkedPort(port: number): number {
  if (Number.isInteger(port) && port > 0 && port <= 65_535) return port
  throw invalid(String(port), 'is no port from 1 to 65535')
}
