/** Whose turn it is to answer, and what the answer means. Commands of the client are answered in their order. */
export type Turn =
  /** A reply of the gateway's that waits for those before it. `last`: the session ends with it. */
  | { readonly kind: 'local'; readonly text: string; readonly last: Ending | undefined }
  /** Replies that are passed on and change nothing here. */
  | { readonly kind: 'command' | 'mail' | 'rcpt' | 'data' | 'auth' | 'reset' | 'quit' | 'chunk' }
  /** The end of a message: in LMTP one reply for each of its recipients, which are `left` to come (0 = not counted yet). */
  | { readonly kind: 'final'; left: number }
  | { readonly kind: 'hello' }
  /** Replies to what the gateway repeats for the client, which has its answer already or gets another. */
  | { readonly kind: 'silentHello' | 'silentMail' | 'silentAuth' }

/** How a session ends with a reply. */
export interface Ending {
  readonly reason: 'done' | 'error'
  readonly error: Error | undefined
}

type Simple = Exclude<Turn['kind'], 'local' | 'final'>

const simple = Object.fromEntries(
  (
    [
      'command',
      'mail',
      'rcpt',
      'data',
      'auth',
      'reset',
      'quit',
      'chunk',
      'hello',
      'silentHello',
      'silentMail',
      'silentAuth',
    ] as const
  ).map((kind) => [kind, Object.freeze({ kind })]),
) as Readonly<Record<Simple, Turn>>

export function turnOf(kind: Simple): Turn {
  return simple[kind]
}

/** Whether 3xx is an answer to it: 354 to DATA, 334 to AUTH. */
export function isIntermediate(turn: Turn, code: number): boolean {
  if (turn.kind === 'data') return code === 354
  return (turn.kind === 'auth' || turn.kind === 'silentAuth') && code === 334
}
