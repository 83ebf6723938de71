import type { Bench } from './bench.ts'
import { cpuSeconds, processTree } from './proc.ts'
import type { Sample } from './row.ts'
import { runOnLoadCore } from './run-client.ts'
import type { Address, Running } from './subject.ts'

export const rowCount = 10_000

export interface SysbenchReport {
  readonly transactions: number
  readonly perSecond: number
  readonly p50Us: number
  readonly p99Us: number
}

const number = (text: string, pattern: RegExp): number => {
  const match = pattern.exec(text)
  if (match === null) throw new Error(`sysbench printed nothing like ${pattern.source}`)
  return Number(match[1])
}

/** What sysbench printed at its end. Throws when a statement failed or a connection broke off. */
export const parseSysbench = (text: string): SysbenchReport => {
  for (const fault of ['ignored errors', 'reconnects']) {
    const count = number(text, new RegExp(`^\\s*${fault}:\\s+(\\d+)`, 'm'))
    if (count > 0) throw new Error(`${count} ${fault}`)
  }
  const transactions = number(text, /^\s*transactions:\s+(\d+)/m)
  if (transactions === 0) throw new Error('no transaction was processed')
  const histogram = parseHistogram(text)
  return {
    transactions,
    perSecond: number(text, /^\s*transactions:\s+\d+\s+\(([\d.]+) per sec/m),
    p50Us: quantile(histogram, 0.5),
    p99Us: quantile(histogram, 0.99),
  }
}

type Bucket = readonly [us: number, count: number]

/** Latencies in ascending order: `0.051 |***    12`, in milliseconds. */
const parseHistogram = (text: string): Bucket[] =>
  [...text.matchAll(/^\s*([\d.]+) \|\**\s+(\d+)$/gm)].map(([, ms, count]) => [Number(ms) * 1000, Number(count)])

const quantile = (buckets: readonly Bucket[], share: number): number => {
  const all = buckets.reduce((sum, [, count]) => sum + count, 0)
  let seen = 0
  const found = buckets.find(([, count]) => (seen += count) > all * share)
  if (found === undefined) throw new Error('sysbench printed no histogram')
  return found[0]
}

export const sysbench = (
  bench: Bench,
  { host, port }: Address,
  args: readonly string[],
  timeoutMs = 60_000,
): Promise<string> => {
  const where = [`--mysql-host=${host}`, `--mysql-port=${port}`, '--mysql-db=bench', '--mysql-ssl=off']
  const login = ['--db-driver=mysql', '--mysql-user=demo', '--mysql-password=demo']
  return runOnLoadCore(bench, 'sysbench', [...args, ...login, ...where, `--table-size=${rowCount}`], timeoutMs)
}

/** Runs a script of sysbench for so many seconds through the proxy. Its CPU time is read right before and right after. */
export const measureSysbench = async (
  bench: Bench,
  target: Running,
  script: string,
  { threads, seconds }: { readonly threads: number; readonly seconds: number },
): Promise<Sample> => {
  const pids = target.pid === undefined ? [] : processTree(target.pid)
  const before = cpuSeconds(pids)
  const args = [script, `--threads=${threads}`, `--time=${Math.ceil(seconds)}`, '--histogram', 'run']
  const text = await sysbench(bench, target.address, args, (seconds + 15) * 1000)
  const cpu = cpuSeconds(pids) - before
  const { transactions, perSecond, p50Us, p99Us } = parseSysbench(text)
  return { value: perSecond, ...(pids.length > 0 ? { perProxyCpuSecond: transactions / cpu } : {}), p50Us, p99Us }
}
