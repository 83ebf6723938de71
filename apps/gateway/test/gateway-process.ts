import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { launch, type Launched, type Output, run, temporaryDirectory } from '@proxy/test-servers'
import { testTransport } from '@proxy/test-servers/transport'

const main = fileURLToPath(new URL('../src/main.ts', import.meta.url))

export interface GatewayArguments {
  readonly args?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** Default: an empty directory, so that nothing is configured. */
  readonly cwd?: string
}

export const commandOf = (args: readonly string[] = []): string[] => [
  '--conditions=@proxy/source',
  '--no-warnings',
  main,
  ...args,
]

/** Without `PROXY_TEST_TRANSPORT` the program chooses by itself, as it does for everybody. */
const chosen: Readonly<Record<string, string>> =
  process.env['PROXY_TEST_TRANSPORT'] === undefined ? {} : { PROXY_TRANSPORT: testTransport() }

/** Starts the program from source; settles when it has printed its table. */
export async function startGateway(options: GatewayArguments = {}): Promise<Launched> {
  const gateway = launchGateway(options)
  await gateway.waitFor(/LISTENER[\s\S]*\n\n/, { timeoutMs: 60_000 })
  return gateway
}

export function launchGateway({ args, env, cwd }: GatewayArguments = {}): Launched {
  return launch(process.execPath, commandOf(args), {
    cwd: cwd ?? temporaryDirectory('gateway'),
    env: { ...chosen, ...env },
  })
}

/** For the embedded default, where its ports do not matter. */
export const anyPorts: Readonly<Record<string, string>> = {
  HTTP_PORT: '0',
  TCP_POSTGRES_PORT: '0',
  TCP_MYSQL_PORT: '0',
  TCP_MONGODB_PORT: '0',
  SMTP_PORT: '0',
  ADMIN_PORT: '0',
}

/** Runs the program to its end. */
export function runGateway({ args, env, cwd }: GatewayArguments = {}): Promise<Output> {
  return run(process.execPath, commandOf(args), {
    cwd: cwd ?? temporaryDirectory('gateway'),
    env: { ...chosen, ...env },
  })
}

/** A directory with files in it. */
export function directoryOf(files: Readonly<Record<string, string>>): string {
  const directory = temporaryDirectory('gateway')
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text)
  return directory
}

interface ListenerFacts {
  readonly name: string
  readonly address: { readonly port: number }
  readonly accepted: number
  readonly connections: number
}

/** The part of /stats that tests look at. */
export interface Stats {
  readonly phase: string
  readonly transport: string
  readonly restarts: number
  readonly reloads: { readonly ok: number; readonly failed: number }
  readonly listeners: readonly ListenerFacts[]
  readonly workers: readonly { readonly worker: number; readonly pid: number }[]
  readonly resolver: Readonly<Record<string, unknown>>
}

export async function statsOf(adminPort: number): Promise<Stats> {
  return (await fetch(`http://127.0.0.1:${adminPort}/stats`)).json() as Promise<Stats>
}
