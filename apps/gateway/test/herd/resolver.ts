import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { type Resolution, type Resolver, ResolveError, type RouteRequest } from '@proxy/kernel'

const flags = ['--conditions=@proxy/source', '--no-warnings']

interface Seen {
  wakes: { at: number; failed: boolean }[]
  /** When sessions were told where to go. */
  routes: number[]
  dials: { protocol: string; from: number; to: number; session: boolean }[]
  readyAt: number
}

/** Since it was last asked for. */
export const observed: Seen = { wakes: [], routes: [], dials: [], readyAt: 0 }

/** So that what is left of one round is not collected in the next. */
function settle(): object {
  setFlagsFromString('--expose-gc')
  runInNewContext('gc')()
  return {}
}

export interface HerdResolverOptions {
  /** Of the process that is started. */
  readonly scripts: string
  readonly directory: string
  /** Where the test asks. */
  readonly deskPort: number
}

/** Knows one tenant, and has one process for it: from its second start on, all there is to a start is that it listens. */
export function herdResolver({ scripts, directory, deskPort }: HerdResolverOptions): Resolver {
  const ports = JSON.parse(readFileSync(join(directory, 'ports.json'), 'utf8')) as Record<string, number>
  let child: ChildProcess | undefined
  let ready = false
  /** Nothing sleeps: the answer is late instead, for everybody at once. */
  let late = false
  let answered: Promise<void> | undefined
  /** `wake` settles before anybody listens: it is for the gateway to find out. */
  let hasty = false
  let asked = 0

  // Where the resolver lives in several processes, the first one answers.
  const desk = createServer((request, response) => {
    void answer(request.url).then((body) => response.end(JSON.stringify(body)))
  })
  desk
    .on('error', () => {})
    .listen(deskPort, '127.0.0.1')
    .unref()

  async function answer(path: string | undefined): Promise<unknown> {
    if (path === '/sleep') return sleep()
    if (path === '/late') return awake()
    if (path === '/hasty') return { hasty: (hasty = true) }
    if (path === '/backend') return { backend: child?.pid }
    if (path === '/settle') return settle()
    if (path === '/counts') return counts()
    const body = { ...observed }
    Object.assign(observed, { wakes: [], routes: [], dials: [] })
    return body
  }

  /** From here on until it sleeps, the backend runs, and answers are late. */
  async function awake(): Promise<object> {
    await start()
    late = true
    return {}
  }

  async function sleep(): Promise<object> {
    late = false
    hasty = false
    answered = undefined
    ready = false
    child?.send('sleep')
    if (child !== undefined) await once(child, 'message')
    return {}
  }

  async function counts(): Promise<unknown> {
    if (child?.connected !== true) return { accepted: {}, served: {} }
    child.send('counts')
    return (await once(child, 'message'))[0]
  }

  async function start(signal?: AbortSignal): Promise<void> {
    appendFileSync(join(directory, 'starts'), '.')
    child ??= fork(join(scripts, 'backend-process.ts'), [directory], { execArgv: flags })
    child.send('start')
    const [message] = await once(child, 'message', signal && { signal })
    observed.readyAt = Number((message as { readyAt: string }).readyAt) / 1e6
    ready = true
  }

  /** There is a file `answer`. */
  async function released(): Promise<void> {
    while (!existsSync(join(directory, 'answer'))) await new Promise((resolve) => setTimeout(resolve, 2))
    observed.readyAt = Number(process.hrtime.bigint()) / 1e6
  }

  return {
    name: 'herd',
    resolve({ key, listener }: RouteRequest): Resolution | Promise<Resolution> {
      if (key !== 'herd' && key !== 'herd.localhost') throw new ResolveError('NOT_FOUND')
      asked++
      const endpoint = `127.0.0.1:${ports[listener]}`
      if (late) return (answered ??= released()).then(() => ({ id: 'herd', endpoint }))
      return { id: 'herd', endpoint, state: ready ? 'ready' : 'asleep' }
    },
    async wake(backend, signal) {
      const started = start(signal)
      if (hasty) started.catch(() => {})
      else await started
      return backend
    },
    stats: () => ({ asked }),
    async close() {
      desk.close()
      if (child?.connected === true) child.disconnect()
    },
  }
}
