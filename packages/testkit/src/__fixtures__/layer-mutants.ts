import { type Backend, type Dial, type Dialled, GatewayError, type Layer, type Resolve } from '@proxy/kernel'

type Answer = Backend | Promise<Backend>

const layer =
  (parts: Partial<Layer>): (() => Layer) =>
  () => ({ name: 'mutant', ...parts })
const wrapping = (resolve: (next: Resolve) => Resolve): (() => Layer) => layer({ resolve })
const dialling = (dial: (next: Dial) => Dial): (() => Layer) => layer({ dial })

/** A layer as it should be: hands on what it gets, counts what it sees, and forgets it in the end. */
export function counting(): Layer {
  let sessions = 0
  return {
    name: 'counting',
    setup({ hooks, clock }) {
      const stops = [hooks.on('session:end', () => void sessions--), clock.every(1_000, () => undefined)]
      return () => {
        for (const stop of stops) stop()
      }
    },
    resolve: (next) => (request, signal) => {
      sessions++
      return next(request, signal)
    },
    dial: (next) => (request, signal) => next(request, signal),
  }
}

const only: Layer = { name: 'only', resolve: (next) => next }

export const deepStats: () => Layer = layer({
  resolve: (next) => next,
  stats: () => ({ seen: new Map([['alpha', 1]]), last: undefined }),
})

/** Tells of every key that there ever was. */
export function endlessStats(): Layer {
  const seen: { key: string; by: string; since: number; times: number; comment: string }[] = []
  return {
    name: 'endless-stats',
    resolve: (next) => (request, signal) => {
      seen.push({ key: request.key, by: request.session, since: 0, times: 1, comment: 'x'.repeat(60) })
      return next(request, signal)
    },
    stats: () => ({ seen }),
  }
}

export const idle: () => Layer = layer({})
export const singleton = (): Layer => only

export const leavesHook: () => Layer = layer({
  setup: ({ hooks }) => void hooks.on('session:end', () => undefined),
  resolve: (next) => next,
})

export const leavesTimer: () => Layer = layer({
  setup: ({ clock }) => void clock.after(600_000, () => undefined),
  resolve: (next) => next,
})

/** Its memory of having been disposed of outlives a second setup. */
export function closedForGood(): Layer {
  let closed = false
  return {
    name: 'closed-for-good',
    setup: () => () => {
      closed = true
    },
    resolve: (next) => (request, signal) => {
      if (closed) throw new GatewayError('PROXY_INTERNAL')
      return next(request, signal)
    },
  }
}

export const alwaysAsync: () => Layer = wrapping((next) => async (request, signal) => next(request, signal))

export const copies: () => Layer = wrapping((next) => (request, signal) => {
  const answer: Answer = next(request, signal)
  return answer instanceof Promise ? answer.then((backend) => ({ ...backend })) : { ...answer }
})

export const asksTwice: () => Layer = wrapping((next) => (request, signal) => {
  void next(request, signal)
  return next(request, signal)
})

export const rewritesKey: () => Layer = wrapping(
  (next) => (request, signal) => next({ ...request, key: request.key.toUpperCase() }, signal),
)

export const wrapsErrors: () => Layer = wrapping((next) => (request, signal) => {
  try {
    return next(request, signal)
  } catch (cause) {
    throw new GatewayError('PROXY_RESOLVE_INTERNAL', { cause })
  }
})

export const wrapsRejections: () => Layer = wrapping((next) => (request, signal) => {
  const answer = next(request, signal)
  if (!(answer instanceof Promise)) return answer
  return answer.catch((cause: unknown) => {
    throw new GatewayError('PROXY_RESOLVE_INTERNAL', { cause })
  })
})

export const dropsSignal: () => Layer = wrapping((next) => (request) => next(request, new AbortController().signal))

/** One flight for all, that ends with the one who began it. */
export const sharedFate: () => Layer = wrapping((next) => {
  let flight: Answer | undefined
  return (request, signal) => (flight ??= next(request, signal))
})

let remembered: Answer | undefined

export const moduleCache: () => Layer = wrapping((next) => (request, signal) => {
  const answer = remembered ?? next(request, signal)
  remembered = answer
  return answer
})

export const dialsTwice: () => Layer = dialling((next) => async (request, signal) => {
  await next(request, signal)
  return next(request, signal)
})

export const wrapsDialErrors: () => Layer = dialling((next) => async (request, signal) => {
  try {
    return await next(request, signal)
  } catch (cause) {
    throw new GatewayError('PROXY_DIAL_UNREACHABLE', { cause })
  }
})

export const dialsWithoutSignal: () => Layer = dialling(
  (next) => (request) => next(request, new AbortController().signal),
)

/** Races the dial against the signal, and forgets the loser. */
export const losesLateConnections: () => Layer = dialling(
  (next) => (request, signal) =>
    Promise.race([
      next(request, signal),
      new Promise<Dialled>((_resolve, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason as Error))
      }),
    ]),
)
