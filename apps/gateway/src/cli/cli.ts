import { availableParallelism } from 'node:os'
import { loadSource } from '../config/load.ts'
import { ConfigError } from '../config/problems.ts'
import { type ConfigSource, findSource } from '../config/source.ts'
import { checkSource } from '../config/check-source.ts'
import type { GatewayConfig } from '../config/types.ts'
import { processConfig } from '../env/config.ts'
import { EnvironmentReader } from '../env/reader.ts'
import { type Environment, ignored } from '../env/variables.ts'
import { failureOf } from '../fleet/failure.ts'
import { createLogger } from '../logging/logger.ts'
import { onSignals } from '../signals.ts'
import { Supervisor } from '../supervisor.ts'
import { type CliArguments, parseArguments, UsageError } from './arguments.ts'
import { help } from './help.ts'
import { explainFailure } from './port-advice.ts'
import { startTable } from './start-table.ts'
import { version } from './version.ts'

export interface CliContext {
  readonly args: readonly string[]
  readonly env: Environment
  readonly cwd: string
  /** Module that worker processes run. */
  readonly exec: string
}

/** Runs a command line to its end; settles with the exit code. */
export async function runCli(context: CliContext): Promise<number> {
  try {
    const args = parseArguments(context.args)
    if (args.command === 'help') return print(help)
    if (args.command === 'version') return print(`${version()}\n`)
    const env = { ...context.env, ...args.env }
    const source = findSource(args.config, context.cwd, env)
    return args.command === 'check'
      ? await check(source, env, context.cwd)
      : await run(source, args, { ...context, env })
  } catch (error) {
    return complain(error)
  }
}

async function check(source: ConfigSource, env: Environment, cwd: string): Promise<number> {
  const checked = await checkSource(source, env, cwd)
  return print(`${checked} is valid\n`)
}

async function run(source: ConfigSource, args: CliArguments, context: CliContext): Promise<number> {
  const { env, cwd, exec } = context
  const settings = await settingsOf(source, env, cwd)
  const workers = args.workers ?? workersOf(settings)
  const logger = createLogger(settings.log)
  const supervisor = new Supervisor({ source, env, cwd, exec, workers, logger })
  const ended = Promise.withResolvers<number>()
  const force = (): void => {
    logger.warn('a second signal: everything ends at once')
    process.exit(1)
  }
  let opened = false
  process.once('exit', () => supervisor.abandon())
  onSignals({
    // Before it has opened there is nothing to drain.
    drain: () => void (opened ? supervisor.drain() : supervisor.close()).then(() => ended.resolve(0), ended.reject),
    force,
    reload: () => void supervisor.reload(),
  })
  for (const name of ignored(env)) logger.warn(`${name} has no effect here: see docs/reference/environment.md`)
  // An operator may ask for it, too.
  void supervisor.drained.then(() => ended.resolve(0), ended.reject)
  const running = await Promise.race([open(supervisor, source), ended.promise])
  if (typeof running === 'number') return running
  opened = true
  const facts = { ...running, version: version(), workers, source: sourceText(source) }
  process.stdout.write(startTable(facts, process.stdout.isTTY))
  return ended.promise
}

async function open(supervisor: Supervisor, source: ConfigSource): ReturnType<Supervisor['open']> {
  try {
    return await supervisor.open()
  } catch (error) {
    throw new UsageError(explainFailure(failureOf(error), source), { cause: error })
  }
}

type Settings = Pick<GatewayConfig, 'workers' | 'log'>

/** What this process needs to know before it has any worker. */
async function settingsOf(source: ConfigSource, env: Environment, cwd: string): Promise<Settings> {
  if (source.kind !== 'embedded') return (await loadSource(source, { env, cwd, generation: 0 })).config
  const reader = new EnvironmentReader(env)
  const settings = processConfig(reader)
  if (reader.problems.length > 0) throw new ConfigError('environment', reader.problems)
  return settings
}

const workersOf = ({ workers }: Settings): number => (typeof workers === 'number' ? workers : availableParallelism())

function sourceText(source: ConfigSource): string {
  if (source.kind === 'file') return source.path
  return source.kind === 'embedded' ? 'embedded default (no configuration found)' : 'configured by the environment'
}

function complain(error: unknown): number {
  const known = error instanceof UsageError || error instanceof ConfigError
  const text = known ? error.message : error instanceof Error ? (error.stack ?? error.message) : String(error)
  process.stderr.write(`gateway: ${text}\n`)
  return error instanceof UsageError && error.cause === undefined ? 2 : 1
}

function print(text: string): number {
  process.stdout.write(text)
  return 0
}
