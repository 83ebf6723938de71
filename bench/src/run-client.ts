import type { Bench } from './bench.ts'

/** Runs a client program to its end on the load core and returns what it printed. */
export const runOnLoadCore = async (
  bench: Bench,
  program: string,
  args: readonly string[],
  timeoutMs: number,
): Promise<string> => {
  const child = bench.processes.start(program, args, { core: bench.loadCore })
  const timer = setTimeout(() => child.kill(), timeoutMs)
  try {
    const ended = await child.exited
    if (ended !== 'exit code 0') throw new Error(`${program}: ${ended} ${child.complaint.trim()}`)
    return child.printed()
  } finally {
    clearTimeout(timer)
  }
}
