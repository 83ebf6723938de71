import { randomBytes } from 'node:crypto'
import { type Api, explained, merge, statusOf } from './api.ts'
import { unlessAborted } from './unless-aborted.ts'

const PREFIX = 'proxy/used-by-'
const RENEW_MS = 30_000
/** A gateway that has not renewed its mark for so long is gone. */
const VALID_MS = 3 * RENEW_MS
const FAREWELL_MS = 2_000

/**
 * Which gateways use a Service: each leaves its mark, with the time, on a Lease of the Service, and takes it off when its last
 * session there has ended. Clocks may differ by up to a minute.
 */
export class Usage {
  readonly #api: Api
  readonly #mark = `${PREFIX}${randomBytes(6).toString('hex')}`
  readonly #sessions = new Map<string, number>()
  /** The latest write for each Service; the next one waits for it. */
  readonly #writes = new Map<string, Promise<void>>()
  #renewing: NodeJS.Timeout | undefined
  #error: Error | undefined

  constructor(api: Api) {
    this.#api = api
  }

  get error(): Error | undefined {
    return this.#error
  }

  get busy(): number {
    return this.#sessions.size
  }

  begin(id: string): void {
    const sessions = this.#sessions.get(id) ?? 0
    this.#sessions.set(id, sessions + 1)
    if (sessions === 0) this.#write(id)
    this.#renewing ??= setInterval(() => this.#renew(), RENEW_MS).unref()
  }

  end(id: string): void {
    const sessions = this.#sessions.get(id)
    if (sessions === undefined) return
    if (sessions > 1) this.#sessions.set(id, sessions - 1)
    else {
      this.#sessions.delete(id)
      this.#write(id)
    }
  }

  /** Whether any gateway has sessions there, this one included. Rejects when that cannot be told. */
  async inUse(id: string): Promise<boolean> {
    if (this.#sessions.has(id)) return true
    const [namespace = '', name = ''] = id.split('/')
    try {
      const { metadata } = await this.#api.coordination.readNamespacedLease({ name: leaseOf(name), namespace })
      return Object.entries(metadata?.annotations ?? {}).some(([mark, at]) => this.#isOthers(mark, at))
    } catch (error) {
      if (statusOf(error) === 404) return false
      throw explained(error, `read lease ${namespace}/${leaseOf(name)}`)
    }
  }

  async close(): Promise<void> {
    clearInterval(this.#renewing)
    const used = [...this.#sessions.keys()]
    this.#sessions.clear()
    for (const id of used) this.#write(id)
    const written = Promise.all(this.#writes.values())
    await unlessAborted(written, AbortSignal.timeout(FAREWELL_MS)).catch(() => undefined)
  }

  #isOthers(mark: string, at: string): boolean {
    return mark.startsWith(PREFIX) && mark !== this.#mark && Date.now() - Date.parse(at) < VALID_MS
  }

  #renew(): void {
    for (const id of this.#sessions.keys()) this.#write(id)
  }

  #write(id: string): void {
    const written = (this.#writes.get(id) ?? Promise.resolve()).then(() => this.#store(id))
    this.#writes.set(id, written)
    void written.then(() => {
      if (this.#writes.get(id) === written) this.#writes.delete(id)
    })
  }

  /** As it is at this moment: what comes later comes with a write of its own. */
  async #store(id: string): Promise<void> {
    const [namespace = '', name = ''] = id.split('/')
    const value = this.#sessions.has(id) ? new Date().toISOString() : null
    const body = { metadata: { name: leaseOf(name), namespace, annotations: { [this.#mark]: value } } }
    try {
      await this.#upsert(namespace, name, body, value !== null)
      this.#error = undefined
    } catch (error) {
      this.#error = explained(error, `write lease ${namespace}/${leaseOf(name)}`)
    }
  }

  async #upsert(namespace: string, name: string, body: object, create: boolean): Promise<void> {
    const { coordination } = this.#api
    for (let attempt = 1; ; attempt++) {
      try {
        await coordination.patchNamespacedLease({ name: leaseOf(name), namespace, body }, merge)
        return
      } catch (error) {
        if (statusOf(error) !== 404 || attempt === 3) throw error
        if (!create) return
      }
      await coordination.createNamespacedLease({ namespace, body: { ...body, spec: {} } }).catch((error: unknown) => {
        if (statusOf(error) !== 409) throw error
      })
    }
  }
}

const leaseOf = (service: string): string => `proxy-${service}`
