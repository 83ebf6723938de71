import type { Link, LinkHandler, Upstream } from '@proxy/kernel'
import { keywordOf } from './hello.ts'
import type { Stage } from './keys.ts'
import { Outbox } from './outbox.ts'
import { linesOf, ReplyReader, type ReplySink } from './reply-reader.ts'

export interface UpstreamOwner {
  /** Replies were read and follow, as many as there are. */
  onReplies(): void
  onRepliesEnd(): void
  onReply(upstream: UpstreamEnd, code: number, bytes: Buffer): void
  onUpstreamDrain(): void
  /** It can no longer be asked anything. `error`: it broke off, or talks nonsense. */
  onUpstreamGone(upstream: UpstreamEnd, error: Error | undefined): void
}

/** The backend's end of a session: what is known of it, and its replies. */
export class UpstreamEnd implements LinkHandler, ReplySink {
  readonly link: Link
  readonly out: Outbox
  readonly key: string
  readonly backendId: string
  readonly tls: boolean
  /** What made the session go there. */
  readonly stage: Stage
  /** Keywords and parameters of its EHLO reply; none before it. */
  extensions: ReadonlySet<string> = new Set()
  /** The client has tried to log in. */
  sawAuth = false
  readonly #owner: UpstreamOwner
  readonly #replies: ReplyReader = new ReplyReader()
  #gone = false

  constructor(link: Link, upstream: Upstream, stage: Stage, owner: UpstreamOwner) {
    this.link = link
    this.out = new Outbox(link)
    this.key = upstream.key
    this.backendId = upstream.backend.id
    this.tls = upstream.tls !== undefined
    this.stage = stage
    this.#owner = owner
  }

  open(unread: Buffer): void {
    this.link.attach(this)
    if (unread.length > 0) this.onData(this.link, unread)
    if (this.link.closed) this.onClose(this.link, undefined)
    else if (this.link.ended) this.onEnd()
    else if (!this.#gone) this.link.resume()
  }

  /** Ends the session with it; when it awaits a command, in order. */
  leave(inOrder: boolean): void {
    if (this.#gone) return
    this.#gone = true
    if (inOrder) {
      this.link.write('QUIT\r\n')
      this.link.end()
    }
    this.link.destroy()
  }

  /** Takes note of what its EHLO reply offers. */
  introduced(reply: Buffer): string[] {
    const lines = linesOf(reply)
    this.extensions = new Set(lines.slice(1).map(keywordOf))
    return lines
  }

  onData(_link: Link, bytes: Buffer): void {
    if (this.#gone) return
    this.#owner.onReplies()
    try {
      this.#replies.read(bytes, this)
    } catch (error) {
      this.#end(error as Error)
    } finally {
      this.#owner.onRepliesEnd()
    }
  }

  onReply(code: number, bytes: Buffer): boolean {
    this.#owner.onReply(this, code, bytes)
    return !this.#gone
  }

  onDrain(): void {
    if (!this.#gone) this.#owner.onUpstreamDrain()
  }

  onEnd(): void {
    this.#end(undefined)
  }

  onClose(_link: Link, error: Error | undefined): void {
    this.#end(error)
  }

  #end(error: Error | undefined): void {
    if (this.#gone) return
    this.#gone = true
    this.link.destroy()
    this.#owner.onUpstreamGone(this, error)
  }
}
