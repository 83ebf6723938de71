import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Bench } from './bench.ts'
import { cpuSeconds, processTree } from './proc.ts'
import type { Sample } from './row.ts'
import { runOnLoadCore } from './run-client.ts'
import type { Address, Running } from './subject.ts'

export const database = 'bench'

export interface PgbenchReport {
  readonly transactions: number
  /** Without the time of the first connections. */
  readonly perSecond: number
}

const number = (text: string, pattern: RegExp): number => {
  const match = pattern.exec(text)
  if (match === null) throw new Error(`pgbench printed nothing like ${pattern.source}`)
  return Number(match[1])
}

/** What pgbench printed at its end. Throws when a transaction failed. */
export const parsePgbench = (text: string): PgbenchReport => {
  const failed = number(text, /^number of failed transactions: (\d+)/m)
  if (failed > 0) throw new Error(`${failed} transactions failed`)
  const transactions = number(text, /^number of transactions actually processed: (\d+)/m)
  if (transactions === 0) throw new Error('no transaction was processed')
  return { transactions, perSecond: number(text, /^tps = ([\d.]+)/m) }
}

/** Latencies in microseconds out of pgbench's log of transactions, ascending: the third column. */
export const parseLatencies = (log: string): number[] =>
  log
    .split('\n')
    .filter(Boolean)
    .map((line) => Number(line.split(' ')[2]))
    .toSorted((a, b) => a - b)

const quantile = (sorted: readonly number[], share: number): number => sorted[Math.floor(sorted.length * share)] ?? 0

const connection = (address: Address): string[] => ['-h', address.host, '-p', String(address.port), '-U', 'demo']

export const pgbench = (bench: Bench, address: Address, args: readonly string[], timeoutMs = 60_000): Promise<string> =>
  runOnLoadCore(bench, 'pgbench', [...connection(address), '-n', ...args, database], timeoutMs)

/** One number out of the database. */
export const query = async (bench: Bench, address: Address, sql: string): Promise<number> =>
  Number(await runOnLoadCore(bench, 'psql', [...connection(address), '-d', database, '-AtXc', sql], 10_000))

/** Runs pgbench for so many seconds through the proxy. Its CPU time is read right before and right after. */
export const measurePgbench = async (
  bench: Bench,
  target: Running,
  args: readonly string[],
  seconds: number,
): Promise<{ sample: Sample; transactions: number }> => {
  const folder = bench.folder('pgbench')
  const pids = target.pid === undefined ? [] : processTree(target.pid)
  const before = cpuSeconds(pids)
  const log = ['-l', '--log-prefix', join(folder, 'log'), '--sampling-rate', '0.2']
  const text = await pgbench(bench, target.address, [...args, ...log, '-T', String(seconds)], (seconds + 15) * 1000)
  const cpu = cpuSeconds(pids) - before
  const { transactions, perSecond } = parsePgbench(text)
  const latencies = parseLatencies(
    readdirSync(folder)
      .map((file) => readFileSync(join(folder, file), 'utf8'))
      .join(''),
  )
  const sample: Sample = {
    value: perSecond,
    ...(pids.length > 0 ? { perProxyCpuSecond: transactions / cpu } : {}),
    p50Us: quantile(latencies, 0.5),
    p99Us: quantile(latencies, 0.99),
  }
  return { sample, transactions }
}
