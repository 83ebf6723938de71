import type { Bus } from './bus.ts'

export const jobsChannel = 'jobs'

/** More than these wait only when no worker runs. */
const mostJobs = 10_000

/** What a worker is asked for, as it stands in the stream. */
export interface Job {
  readonly op: 'wake' | 'sleep'
  readonly key: string
  /** Name of the lock under which it is done, and of the backend. */
  readonly backend: string
  readonly token: number
}

export const streamKey = (bus: Bus): string => `${bus.prefix}jobs`

/** Asks the workers. One that reads the stream without listening finds it too. */
export async function ask(bus: Bus, { op, key, backend, token }: Job): Promise<void> {
  const fields = ['op', op, 'key', key, 'backend', backend, 'token', token]
  await bus.link.run((client) => client.xadd(streamKey(bus), 'MAXLEN', '~', mostJobs, '*', ...fields))
  await bus.publish(jobsChannel, { key }).catch(() => undefined)
}

/** undefined for an entry that is no job. */
export function parseJob(fields: readonly string[]): Job | undefined {
  const entry: Record<string, string | undefined> = {}
  for (let i = 0; i + 1 < fields.length; i += 2) entry[fields[i] as string] = fields[i + 1]
  const { op, key, backend, token } = entry
  if ((op !== 'wake' && op !== 'sleep') || key === undefined || backend === undefined) return undefined
  return Number.isSafeInteger(Number(token)) ? { op, key, backend, token: Number(token) } : undefined
}
