import type { IncomingMessage, ServerResponse } from 'node:http'
import type { EventLog, LoggedEvent } from './event-log.ts'

export interface EventSource {
  readonly events: EventLog
  /** What a client that comes is told first. */
  history(): unknown
  /** What all clients are told every second. */
  snapshot(): Promise<unknown>
}

const mostClients = 20
const intervalMs = 1_000
// A client that does not read: what it was not told would pile up here.
const mostUnsentBytes = 1_048_576

const head = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
}

/** Server-sent events. Nothing is looked at while nobody watches; every client is told the same. */
export class EventStream {
  readonly #source: EventSource
  readonly #clients = new Set<ServerResponse>()
  #unsubscribe: (() => void) | undefined
  #timer: NodeJS.Timeout | undefined
  #looking = false

  constructor(source: EventSource) {
    this.#source = source
  }

  get full(): boolean {
    return this.#clients.size >= mostClients
  }

  /** Ask `full` first. */
  add(request: IncomingMessage, response: ServerResponse): void {
    response.writeHead(200, head)
    response.on('close', () => this.#remove(response)).on('error', () => this.#remove(response))
    this.#clients.add(response)
    this.#start()
    response.write(`retry: 1000\n\n${message('history', this.#source.history())}`)
    const last = Number(request.headers['last-event-id'] ?? 0)
    for (const event of this.#source.events.after(last)) response.write(told(event))
    void this.#look()
  }

  close(): void {
    for (const client of this.#clients) client.destroy()
    this.#clients.clear()
    this.#stop()
  }

  #start(): void {
    if (this.#timer !== undefined) return
    this.#unsubscribe = this.#source.events.subscribe((event) => this.#tell(told(event)))
    this.#timer = setInterval(() => void this.#look(), intervalMs)
  }

  #stop(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
    this.#unsubscribe?.()
  }

  #remove(client: ServerResponse): void {
    this.#clients.delete(client)
    if (this.#clients.size === 0) this.#stop()
  }

  /** A heartbeat stands for a snapshot that takes too long. */
  async #look(): Promise<void> {
    if (this.#looking) return this.#tell(': the workers are slow\n\n')
    this.#looking = true
    try {
      this.#tell(message('snapshot', await this.#source.snapshot()))
    } catch {
      this.#tell(': no snapshot\n\n')
    } finally {
      this.#looking = false
    }
  }

  #tell(text: string): void {
    for (const client of this.#clients) {
      if (client.writableLength > mostUnsentBytes) client.destroy()
      else client.write(text)
    }
  }
}

// JSON holds no line break, so that it is one line of data.
const message = (event: string, data: unknown): string => `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`

const told = ({ id, kind, at, facts }: LoggedEvent): string => `id: ${id}\n${message('event', { id, at, kind, facts })}`
