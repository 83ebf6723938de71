/** A question to one gateway, or news for all; survives JSON. */
export interface Question {
  /** undefined: nobody waits for an answer. */
  readonly id: number | undefined
  /** Id of the gateway that asks, which is where the answer goes. */
  readonly from: string
  readonly topic: string
  readonly body: unknown
}

export interface Answer {
  readonly id: number
  readonly body?: unknown
  /** Why there is no answer. */
  readonly error?: string | undefined
}

/** undefined for what is no question. */
export function questionOf(message: unknown): Question | undefined {
  if (typeof message !== 'object' || message === null) return undefined
  const { id, from, topic, body } = message as Partial<Record<keyof Question, unknown>>
  if (id !== undefined && typeof id !== 'number') return undefined
  if (typeof from !== 'string' || typeof topic !== 'string' || !/^\w{1,64}$/.test(from)) return undefined
  return { id, from, topic, body }
}

export function answerOf(message: unknown): Answer | undefined {
  if (typeof message !== 'object' || message === null) return undefined
  const { id, body, error } = message as Partial<Record<keyof Answer, unknown>>
  if (typeof id !== 'number') return undefined
  return { id, body, error: typeof error === 'string' ? error : undefined }
}
