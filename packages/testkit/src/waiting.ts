// Taken at the start, so that a test that replaces the global timers does not stop its own waiting.
const { setImmediate: immediate, setTimeout: timeout } = globalThis

/** One turn of the event loop: everything that is ready now, input included, has been handled. */
export function turn(): Promise<void> {
  return new Promise((resolve) => {
    immediate(resolve)
  })
}

/** So many turns that nothing that was under way in memory is left undone. For checks that something does not happen. */
export async function settle(turns = 24): Promise<void> {
  for (let left = turns; left > 0; left--) await turn()
}

/** Real time that a wait may take. */
export const patience: { ms: number } = { ms: 8_000 }
const eagerTurns = 200

/** Settles as soon as `condition` holds; throws, saying `what` was waited for, when it does not within eight seconds. */
export async function until(condition: () => boolean, what: string | (() => string)): Promise<void> {
  const deadline = performance.now() + patience.ms
  for (let turns = 0; !condition(); turns++) {
    if (performance.now() > deadline) {
      throw new Error(`waited in vain: ${typeof what === 'string' ? what : what()}`)
    }
    if (turns < eagerTurns) await turn()
    else await new Promise((resolve) => timeout(resolve, 1))
  }
}

/** The promise's value, or an error that says `what` was waited for when it does not settle within eight seconds. */
export async function within<T>(promise: Promise<T>, what: string): Promise<T> {
  let settled = false
  const mark = (): void => void (settled = true)
  promise.then(mark, mark)
  await until(() => settled, what)
  return promise
}
