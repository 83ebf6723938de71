import { GatewayError } from '@proxy/kernel'
import type { Dialogue } from './dialogue.ts'
import { isIntermediate, type Turn } from './turns.ts'
import type { UpstreamEnd, UpstreamOwner } from './upstream-end.ts'

/** What comes of what a backend says: each reply is the answer to the command whose turn it is, or no answer at all. */
export class BackendSide implements UpstreamOwner {
  readonly #dialogue: Dialogue

  constructor(dialogue: Dialogue) {
    this.#dialogue = dialogue
  }

  onReply(upstream: UpstreamEnd, code: number, bytes: Buffer): void {
    const dialogue = this.#dialogue
    if (upstream !== dialogue.upstream || dialogue.over) return
    const turn = dialogue.turns[0]
    if (turn === undefined) return this.#onUnasked(upstream, code, bytes)
    if (code === 421) return this.#passLast(bytes)
    if (!this.#isAnswer(turn, code)) return this.#onNonsense()
    if (turn.kind === 'final' && !this.#isLastOf(turn)) return dialogue.pass(bytes)
    dialogue.turns.shift()
    dialogue.commands.onReply(turn, code, bytes)
    dialogue.flush()
    dialogue.proceed()
  }

  onUpstreamDrain(): void {
    this.#dialogue.proceed()
  }

  onUpstreamGone(upstream: UpstreamEnd, error: Error | undefined): void {
    const dialogue = this.#dialogue
    if (upstream !== dialogue.upstream || dialogue.over) return
    dialogue.upstream = undefined
    if (this.#canDoWithout(upstream)) return dialogue.proceed()
    const gone = GatewayError.is(error) ? error : new GatewayError('PROXY_BACKEND_CLOSED', { cause: error })
    dialogue.fail(error === undefined ? 'backend' : 'backend_reset', gone)
  }

  onReplies(): void {
    this.#dialogue.out.hold()
  }

  onRepliesEnd(): void {
    if (!this.#dialogue.out.release()) this.#dialogue.upstream?.link.pause()
  }

  #isAnswer(turn: Turn, code: number): boolean {
    const { input, turns } = this.#dialogue
    if (code >= 300 && code < 400) return isIntermediate(turn, code)
    if (turn.kind === 'data') return code >= 400
    // Success for a chunk that is still on its way would be success for what the backend does not have.
    const early = input.mode === 'chunk' && turns.length === 1
    return !(early && code < 300)
  }

  #isLastOf(turn: { left: number }): boolean {
    if (turn.left === 0) turn.left = this.#dialogue.commands.repliesToMessage
    return --turn.left === 0
  }

  /** Nobody asked: 421 says goodbye, and in the middle of content an error may end the message. */
  #onUnasked(upstream: UpstreamEnd, code: number, bytes: Buffer): void {
    if (this.#canDoWithout(upstream)) this.#dialogue.dropUpstream(false)
    else if (code === 421 || (this.#dialogue.inContent && code >= 400)) this.#passLast(bytes)
    else this.#onNonsense()
  }

  #passLast(bytes: Buffer): void {
    this.#dialogue.pass(bytes)
    this.#dialogue.dropUpstream(false)
    this.#dialogue.settle('backend', undefined)
  }

  #onNonsense(): void {
    this.#dialogue.fail('backend_reset', new GatewayError('PROXY_BACKEND_PROTOCOL'))
  }

  /** A backend that left between two messages is looked for again where each message is routed. */
  #canDoWithout(upstream: UpstreamEnd): boolean {
    const { gate, turns, inContent, commands } = this.#dialogue
    if (turns.length > 0 || inContent || gate === 'reply') return false
    return gate === 'tls' || gate === 'route' || (upstream.stage === 'rcpt' && !commands.inTransaction)
  }
}
