import { mkdirSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { Gateway, type GatewayOptions, type ListenerOptions, type ResolveFunction, type Resolver } from '@proxy/kernel'
import { type Output, removeDirectory, run, temporaryDirectory } from '@proxy/test-servers'
import { transportUnderTest } from '@proxy/test-servers/transport'
import { backendTls } from '@proxy/tls'
import { MongoClient, type MongoClientOptions } from 'mongodb'
import { mongodb, type MongodbOptions } from '../src/index.ts'

export interface TestGateway extends AsyncDisposable {
  readonly gateway: Gateway
  readonly port: number
  /** Keys that backends were dialled for, in order. */
  readonly dials: readonly string[]
}

export interface TestGatewayOptions extends Omit<GatewayOptions, 'listeners' | 'resolver'> {
  readonly protocol?: MongodbOptions
  readonly listener?: Partial<Omit<ListenerOptions, 'protocol'>>
}

/** A gateway with one listener, in front of servers on the loopback. Errors that no client caused fail the test. */
export async function openGateway(
  resolver: Resolver | ResolveFunction,
  options: TestGatewayOptions = {},
): Promise<TestGateway> {
  const { protocol, listener, ...rest } = options
  const gateway = new Gateway({
    resolver,
    guard: { allow: ['127.0.0.0/8'] },
    backendTls: backendTls(),
    listeners: [{ address: '127.0.0.1:0', protocol: mongodb(protocol), ...listener }],
    transport: transportUnderTest(),
    ...rest,
  })
  const faults: unknown[] = []
  const dials: string[] = []
  gateway.hooks.on('gateway:error', ({ error }) => faults.push(error))
  gateway.hooks.on('dial:end', ({ key }) => dials.push(key))
  await gateway.open()
  return {
    gateway,
    port: gateway.addresses[0]!.port,
    dials,
    [Symbol.asyncDispose]: async () => {
      await gateway.close()
      if (faults.length > 0) throw new AggregateError(faults, 'the gateway reported errors')
    },
  }
}

/** Sends everything to one server. */
export const to = (server: { readonly endpoint: string }): ResolveFunction => {
  return () => server.endpoint
}

/** Documents with numbers of their own. */
export interface Numbered {
  readonly _id: number
  readonly [field: string]: unknown
}

/** A client that gives up soon, closed behind `use`. */
export async function withClient<T>(
  url: string,
  use: (client: MongoClient) => Promise<T>,
  options: MongoClientOptions = {},
): Promise<T> {
  const client = new MongoClient(url, { serverSelectionTimeoutMS: 5_000, ...options })
  try {
    return await use(client)
  } finally {
    await client.close()
  }
}

/** The error that a command ends with. */
export async function errorOf(promise: Promise<unknown>): Promise<Error & Record<string, unknown>> {
  return promise.then(
    (value) => {
      throw new Error(`no error but ${JSON.stringify(value)}`)
    },
    (error: Error & Record<string, unknown>) => error,
  )
}

const program = createRequire(import.meta.url).resolve('mongosh/bin/mongosh.js')

/** `mongosh --eval`, with a home of its own in which telemetry is off. */
export async function mongosh(url: string, script: string, args: readonly string[] = []): Promise<Output> {
  const home = temporaryDirectory('mongosh')
  mkdirSync(join(home, '.mongodb/mongosh'), { recursive: true })
  writeFileSync(join(home, '.mongodb/mongosh/config'), '{ "enableTelemetry": false }')
  try {
    const flags = ['--quiet', '--norc', ...args, '--eval', script]
    return await run(process.execPath, [program, url, ...flags], { env: { HOME: home }, cwd: home })
  } finally {
    removeDirectory(home)
  }
}
