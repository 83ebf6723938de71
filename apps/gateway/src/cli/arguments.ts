import { parseArgs } from 'node:util'
import { didYouMean } from '../config/suggest.ts'

export interface CliArguments {
  readonly command: 'run' | 'check' | 'help' | 'version'
  readonly config: string | undefined
  readonly workers: number | undefined
  /** Variables of the environment that flags stand for. */
  readonly env: Readonly<Record<string, string>>
}

/** The command line cannot be understood; the message says how to write it. */
export class UsageError extends Error {}

const options = {
  config: { type: 'string', short: 'c' },
  workers: { type: 'string', short: 'w' },
  'http-port': { type: 'string' },
  'postgres-port': { type: 'string' },
  'mysql-port': { type: 'string' },
  'mongodb-port': { type: 'string' },
  'smtp-port': { type: 'string' },
  'admin-port': { type: 'string' },
  'log-level': { type: 'string' },
  help: { type: 'boolean', short: 'h' },
  version: { type: 'boolean', short: 'v' },
} as const

/** Flags that are another way to set a variable of the environment. */
export const variableFlags: Readonly<Record<string, string>> = {
  'http-port': 'HTTP_PORT',
  'postgres-port': 'TCP_POSTGRES_PORT',
  'mysql-port': 'TCP_MYSQL_PORT',
  'mongodb-port': 'TCP_MONGODB_PORT',
  'smtp-port': 'SMTP_PORT',
  'admin-port': 'ADMIN_PORT',
  'log-level': 'LOG_LEVEL',
}

const commands = ['run', 'check', 'help'] as const

export function parseArguments(args: readonly string[]): CliArguments {
  const { values, positionals } = parse(args)
  const env = Object.entries(variableFlags).flatMap(([flag, name]) => {
    const value = values[flag as keyof typeof values]
    return typeof value === 'string' ? [[name, value]] : []
  })
  return {
    command: values.help === true ? 'help' : values.version === true ? 'version' : commandOf(positionals),
    config: values.config,
    workers: values.workers === undefined ? undefined : workersOf(values.workers),
    env: Object.fromEntries(env) as Record<string, string>,
  }
}

function parse(args: readonly string[]) {
  const tokens = parseArgs({ args: [...args], options, strict: false, tokens: true, allowPositionals: true }).tokens
  const unknown = tokens.find((token) => token.kind === 'option' && !Object.hasOwn(options, token.name))
  if (unknown?.kind === 'option') throw unknownOption(unknown.rawName, unknown.name)
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true })
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error))
  }
}

function unknownOption(written: string, name: string): UsageError {
  const suggestion = didYouMean(name, Object.keys(options))?.replace(/"(.+)"/, '"--$1"')
  return new UsageError(`${written} is no option. ${suggestion ?? 'Try --help.'}`)
}

function commandOf(positionals: readonly string[]): CliArguments['command'] {
  const [name = 'run', extra] = positionals
  const command = commands.find((known) => known === name)
  if (command === undefined)
    throw new UsageError(`"${name}" is no command. ${didYouMean(name, commands) ?? 'Try --help.'}`)
  if (extra !== undefined) throw new UsageError(`"${extra}" is one word too many. Try --help.`)
  return command
}

function workersOf(text: string): number {
  const workers = Number(text)
  if (!Number.isInteger(workers) || workers < 1 || workers > 1_024)
    throw new UsageError(`--workers must be a whole number from 1 to 1024, not "${text}".`)
  return workers
}
