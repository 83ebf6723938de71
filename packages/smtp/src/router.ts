import { type Backend, GatewayError, type Link, type Upstream } from '@proxy/kernel'
import { BackendSide } from './backend-side.ts'
import type { Task } from './commands.ts'
import type { Dialogue } from './dialogue.ts'
import { isPermanent } from './refusals.ts'
import { startBackend } from './startup.ts'
import { UpstreamEnd } from './upstream-end.ts'

/** Finds the backends of one dialogue, and hands them over to it ready for the client's introduction. */
export class Router {
  readonly #dialogue: Dialogue
  readonly #backendSide: BackendSide
  /** A backend on its way into the relay, and what is done once it is there. */
  #arriving: { readonly channel: Upstream; readonly task: Task } | undefined = undefined

  constructor(dialogue: Dialogue) {
    this.#dialogue = dialogue
    this.#backendSide = new BackendSide(dialogue)
  }

  async route(key: string, task: Task): Promise<void> {
    const dialogue = this.#dialogue
    try {
      const channel = await this.#find(key)
      if (dialogue.over) return channel?.destroy()
      if (channel === undefined) return dialogue.commands.begin(task, false)
      this.#arriving = { channel, task }
      dialogue.join(channel)
    } catch (cause) {
      if (!dialogue.over) this.#unrouted(task, GatewayError.from(cause))
    }
  }

  /** The backend's link is the dialogue's from here. */
  adopt(link: Link, unread: Buffer): void {
    const { channel, task } = this.#arriving!
    this.#arriving = undefined
    const upstream = new UpstreamEnd(link, channel, task.stage, this.#backendSide)
    this.#dialogue.upstream = upstream
    this.#dialogue.commands.begin(task, true)
    upstream.open(unread)
  }

  /** undefined: it is there already. The resolver is asked in any case, as its answer may have changed. */
  async #find(key: string): Promise<Upstream | undefined> {
    const dialogue = this.#dialogue
    if (dialogue.draining) throw new GatewayError('PROXY_DRAINING')
    const answer = dialogue.session.resolve(key, dialogue.commands.attributes)
    const backend = answer instanceof Promise ? await answer : answer
    if (dialogue.over) throw new GatewayError('PROXY_CLIENT_GONE')
    const { upstream } = dialogue
    if (upstream?.key === key && upstream.backendId === backend.id) return undefined
    dialogue.dropUpstream()
    return this.#start(key, backend)
  }

  #start(key: string, backend: Backend): Promise<Upstream> {
    const { session, server, commands } = this.#dialogue
    const { settings, clock } = server
    const wanted = backend.metadata['xclient']
    const xclient = typeof wanted === 'boolean' ? wanted : settings.xclient
    const { readinessTimeoutMs } = settings
    return startBackend({ session, backend, key, hello: commands.hello!, xclient, readinessTimeoutMs, clock })
  }

  /** What will pass ends the session at EHLO, as there is nothing else to be done in it. */
  #unrouted(task: Task, error: GatewayError): void {
    const dialogue = this.#dialogue
    const over = error.code === 'PROXY_DRAINING' || error.code === 'PROXY_KILLED'
    if (over || (task.stage === 'helo' && !isPermanent(error))) return dialogue.fail('error', error)
    dialogue.gate = 'open'
    dialogue.commands.unrouted(task, error)
    dialogue.proceed()
  }
}
