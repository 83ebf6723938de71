import { once } from 'node:events'
import { closedLoop } from './loop.ts'

/** What a load client was told on its command line: mode, port, lanes, seconds. */
export interface Work {
  readonly mode: string
  readonly port: number
  readonly concurrency: number
  readonly seconds: number
}

/** One operation for each mode, and what is to be ended behind it. */
export interface Operations {
  readonly operation: (lane: number) => Promise<void>
  readonly end: () => Promise<void>
}

const warmupSeconds = 0.5

export const workOf = ([mode = '', port, concurrency, seconds]: readonly string[]): Work => ({
  mode,
  port: Number(port),
  concurrency: Number(concurrency),
  seconds: Number(seconds),
})

/** Warms up and says `ready`; at the next line of its input it works for the span, and prints its report as JSON. */
export async function runClient(open: (work: Work) => Promise<Operations>): Promise<void> {
  const work = workOf(process.argv.slice(2))
  const { operation, end } = await open(work)
  await closedLoop(operation, { concurrency: work.concurrency, seconds: warmupSeconds })
  process.stdout.write('ready\n')
  await once(process.stdin, 'data')
  process.stdin.pause()
  const report = await closedLoop(operation, work)
  process.stdout.write(`${JSON.stringify(report)}\n`)
  await end()
}
