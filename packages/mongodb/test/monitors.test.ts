import type { Resolver } from '@proxy/kernel'
import { coldStart } from '@proxy/kernel/layers'
import { mongoScript } from '@proxy/test-servers'
import { until } from '@proxy/testkit'
import { MongoClient } from 'mongodb'
import { expect, test } from 'vitest'
import type { MongodbOptions } from '../src/index.ts'
import { openGateway } from './setup.ts'

test.each<[string, MongodbOptions, string]>([
  ['by database', {}, ''],
  ['by database, directConnection', {}, 'directConnection=true'],
  ['by application name', { keys: ['appName'] }, 'appName=alpha'],
  ['by default', { defaultKey: 'alpha' }, ''],
])('monitors and idle pools wake nothing, and the first command does (%s)', async (_, protocol, query) => {
  await using backend = await mongoScript()
  const calls: string[] = []
  let awake = false
  const resolver: Resolver = {
    name: 'sleepy',
    resolve({ key }) {
      calls.push(`resolve ${key}`)
      return { endpoint: backend.endpoint, state: awake ? 'ready' : 'asleep' }
    },
    async wake() {
      calls.push('wake')
      awake = true
      return backend.endpoint
    },
  }
  await using gateway = await openGateway(resolver, { layers: [coldStart()], protocol })
  const options = { heartbeatFrequencyMS: 500, minHeartbeatFrequencyMS: 20, minPoolSize: 3 }
  const clients = [1, 2].map(() => new MongoClient(`mongodb://127.0.0.1:${gateway.port}/alpha?${query}`, options))
  let beats = 0
  let pooled = 0
  for (const client of clients) {
    client.on('serverHeartbeatSucceeded', () => beats++)
    client.on('connectionReady', () => pooled++)
    await client.connect()
  }
  await until(
    () => beats >= 6 && pooled >= 6,
    () => `heartbeats and pools; ${beats} and ${pooled}`,
  )
  expect({ calls, dials: gateway.dials, connections: backend.connections }).toEqual({
    calls: [],
    dials: [],
    connections: 0,
  })
  await clients[0]!.db('alpha').command({ ping: 1 })
  expect(calls.filter((call) => call === 'wake')).toHaveLength(1)
  // The question whether it serves, and the session.
  expect(backend.connections).toBe(2)
  await Promise.all(clients.map((client) => client.close()))
})
