import { describeNeeding, type RedisServer, redisServer } from '@proxy/test-servers'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Extract, tcp } from '../src/index.ts'
import { client, drain, setting } from './setting.ts'

/** Routes by the user of `AUTH user password` or `HELLO 3 AUTH user password`, sent as the client's first command. */
const byUser: Extract = (bytes) => {
  const words = commandWords(bytes)
  const auth = words?.findIndex((word) => word.toUpperCase() === 'AUTH') ?? -1
  if (words === undefined) return undefined
  if (auth === -1 || words.length < auth + 3) throw new Error('the first command names no user')
  return { key: words[auth + 1]! }
}

/** The words of the RESP array at the start of `bytes`; undefined when it is not complete. */
function commandWords(bytes: Buffer): string[] | undefined {
  const lines = bytes.toString('latin1').split('\r\n')
  const count = Number(/^\*(\d{1,3})$/.exec(lines[0]!)?.[1])
  if (Number.isNaN(count)) {
    if (lines.length > 1 || bytes[0] !== 0x2a) throw new Error('no RESP array')
    return undefined
  }
  if (lines.length < count * 2 + 2) return undefined
  return lines.filter((_, at) => at > 0 && at <= count * 2 && at % 2 === 0)
}

const resp = (...words: string[]): string =>
  `*${words.length}\r\n${words.map((word) => `$${word.length}\r\n${word}\r\n`).join('')}`

describeNeeding(['redis-server'], 'tcp before a real Redis', () => {
  const servers: RedisServer[] = []

  beforeAll(async () => {
    for (const name of ['alpha', 'beta']) {
      servers.push(await redisServer(['--user', name, 'on', '>secret', '~*', '+@all', '--user', 'default', 'off']))
    }
  })

  afterAll(async () => {
    for (const server of servers) await server.stop()
  })

  const routes = () => ({ alpha: servers[0]!.endpoint, beta: servers[1]!.endpoint })

  async function ask(address: Parameters<typeof client>[0], ...commands: string[]): Promise<string> {
    const socket = client(address)
    socket.write(commands.join('') + resp('QUIT'))
    return (await drain(socket)).toString()
  }

  it('routes by user to the server of the tenant', async () => {
    const { address, requests } = await setting({ protocol: tcp({ name: 'redis', extract: byUser }) }, routes())
    for (const user of ['alpha', 'beta']) {
      const answer = await ask(address, resp('AUTH', user, 'secret'), resp('SET', 'who', user), resp('GET', 'who'))
      expect(answer).toBe(`+OK\r\n+OK\r\n$${user.length}\r\n${user}\r\n+OK\r\n`)
    }
    expect(requests.map(({ key }) => key)).toEqual(['alpha', 'beta'])
  })

  it('leaves the password to the server', async () => {
    const { address } = await setting({ protocol: tcp({ name: 'redis', extract: byUser }) }, routes())
    expect(await ask(address, resp('AUTH', 'alpha', 'wrong'))).toMatch(/^-WRONGPASS/)
  })

  it('refuses a client of an unknown tenant in words that Redis clients show', async () => {
    const { address } = await setting({ protocol: tcp({ name: 'redis', extract: byUser }) }, routes())
    expect(await ask(address, resp('AUTH', 'gamma', 'secret'))).toBe('-ERR no such tenant\r\n')
  })

  it('routes by port', async () => {
    const { address } = await setting({ protocol: tcp({ name: 'redis', key: 'beta' }) }, routes())
    const answer = await ask(address, resp('AUTH', 'beta', 'secret'), resp('GET', 'who'))
    expect(answer).toMatch(/^\+OK\r\n\$4\r\nbeta\r\n/)
  })
})
