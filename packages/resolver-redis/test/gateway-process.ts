/** One of several machines: `<url> queue|worker|locked <name> [<leaseMs>]`. Says what it does; SIGUSR2 lets a wake under way succeed. */
import type { Backend, Resolver } from '@proxy/kernel'
import { redisLocked, redisResolver, wakeWorker } from '../src/index.ts'
import { never, resolved } from './support.ts'

const [redis = '', role = '', , lease = '10000'] = process.argv.slice(2)
const leaseMs = Number(lease)
const told = Promise.withResolvers<string>()
process.on('SIGUSR2', () => told.resolve('10.9.9.9:9'))
const say = (text: string): boolean => process.stdout.write(`${text}\n`)

const inner: Resolver = {
  name: 'inner',
  resolve: () => ({ id: 'alpha', endpoint: '10.0.0.1:1', state: 'asleep' }),
  wake: () => {
    say('inner wake')
    return told.promise
  },
}

async function wakeBy(resolver: Resolver): Promise<void> {
  const sleeping = await resolved(resolver, 'alpha')
  say('ready')
  say('waking')
  const { endpoints } = (await resolver.wake!(sleeping, never)) as Backend
  say(`woken ${endpoints[0]!.host}:${endpoints[0]!.port}`)
  const stats = resolver.stats!()
  const shared = (stats['redis'] ?? stats) as { refused: number }
  say(`refused ${shared.refused}`)
}

if (role === 'worker') {
  wakeWorker({
    redis,
    leaseMs: 500,
    start: ({ key }) => {
      say(`starting ${key}`)
      return told.promise
    },
  })
  say('ready')
} else await wakeBy(role === 'queue' ? redisResolver({ redis, leaseMs }) : redisLocked(inner, { redis, leaseMs }))
