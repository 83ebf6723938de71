import { once } from 'node:events'
import { connect } from 'node:net'
import { fileURLToPath } from 'node:url'
import { backend, type Backend } from '@proxy/kernel'
import {
  type ProcessResolver,
  processResolver,
  type ProcessResolverOptions,
  type ProcessSpec,
} from '@proxy/resolver-process'
import { launch } from '@proxy/test-servers'
import { requestFor } from './request.ts'
import { afterEach, describe, expect, it, vi } from 'vitest'

const server = fileURLToPath(new URL('server.mjs', import.meta.url))
const gatewayProgram = fileURLToPath(new URL('gateway.mjs', import.meta.url))
const never = new AbortController().signal

const spec = (more: Partial<ProcessSpec> = {}, env: Record<string, string> = {}): ProcessSpec => ({
  command: process.execPath,
  args: [server],
  env: { PORT: '{port}', ...env },
  ready: 'listening',
  ...more,
})

/** What a backend says: its process id. */
async function say({ endpoints: [endpoint] }: Backend): Promise<number> {
  const socket = connect(endpoint!.port!, endpoint!.host)
  socket.on('error', () => undefined)
  const [bytes] = (await once(socket, 'data')) as [Buffer]
  return Number(bytes.toString())
}

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

const untilGone = (pid: number): Promise<void> => vi.waitFor(() => expect(alive(pid)).toBe(false), { timeout: 10_000 })

describe('processResolver', () => {
  const open: ProcessResolver[] = []
  const changed: string[] = []
  const exits: string[] = []
  const lines: string[] = []

  const resolverOf = (backends: ProcessResolverOptions['backends'], more = {}): ProcessResolver => {
    const onExit = (name: string, reason: string): void => void exits.push(`${name}: ${reason}`)
    const resolver = processResolver({ backends, onExit, onOutput: (_name, line) => void lines.push(line), ...more })
    resolver.watch?.((id) => changed.push(id))
    open.push(resolver)
    return resolver
  }

  const ask = async (resolver: ProcessResolver, key: string): Promise<Backend> =>
    backend(await resolver.resolve(requestFor(key), never))

  const wake = async (resolver: ProcessResolver, key: string): Promise<Backend> =>
    backend(await resolver.wake!(await ask(resolver, key), never))

  afterEach(async () => {
    await Promise.all(open.splice(0).map((resolver) => resolver.close()))
    for (const list of [changed, exits, lines]) list.length = 0
  })

  it('starts a process once for 100 callers, on a free port, and says when its route changes', async () => {
    const resolver = resolverOf({ one: spec() })
    expect(await ask(resolver, 'one')).toMatchObject({ id: 'one', state: 'asleep' })
    const woken = await Promise.all(Array.from({ length: 100 }, () => wake(resolver, 'one')))
    expect(new Set(await Promise.all(woken.slice(0, 5).map(say))).size).toBe(1)
    expect(await ask(resolver, 'one')).toMatchObject({ id: 'one', state: 'ready', metadata: { process: 'one' } })
    expect(changed).toEqual(['one'])
    expect(resolver.stats?.()).toMatchObject({ awake: 1, starts: 1, backends: [{ backend: 'one', state: 'awake' }] })
  })

  it('stops it when it sleeps, children and all, and starts it again', async () => {
    const resolver = resolverOf({ one: spec({}, { CHILD: '1' }) })
    const first = await wake(resolver, 'one')
    const pid = await say(first)
    await vi.waitFor(() => expect(lines.join()).toMatch(/child \d+/))
    const child = Number(/child (\d+)/.exec(lines.join())![1])
    expect([alive(pid), alive(child)]).toEqual([true, true])
    await resolver.sleep(first)
    await Promise.all([untilGone(pid), untilGone(child)])
    expect(await ask(resolver, 'one')).toMatchObject({ state: 'asleep' })
    expect(await say(await wake(resolver, 'one'))).not.toBe(pid)
    expect(exits).toEqual([])
  })

  it('counts the sessions that are routed to it', async () => {
    const resolver = resolverOf({ one: spec() })
    const { metadata } = await ask(resolver, 'one')
    const counted = (): unknown => (resolver.stats!()['backends'] as { connections: number }[])[0]!.connections
    resolver.onConnect!('one', metadata)
    resolver.onConnect!('one', metadata)
    resolver.onDisconnect!('one', metadata)
    expect(counted()).toBe(1)
  })

  it('kills what does not end in time', async () => {
    const resolver = resolverOf({ one: spec({ stopTimeoutMs: 100 }, { DEAF: '1' }) })
    const woken = await wake(resolver, 'one')
    const pid = await say(woken)
    await resolver.sleep(woken)
    expect(alive(pid)).toBe(false)
  })

  it('is asleep again when its process ends by itself', async () => {
    const resolver = resolverOf({ one: spec() })
    process.kill(await say(await wake(resolver, 'one')), 'SIGKILL')
    await vi.waitFor(() => expect(exits).toHaveLength(1))
    expect(exits[0]).toMatch(/^one: .*SIGKILL/)
    expect(changed).toEqual(['one', 'one'])
    expect(await ask(resolver, 'one')).toMatchObject({ state: 'asleep' })
    await say(await wake(resolver, 'one'))
  })

  it('waits for a line of its output', async () => {
    const resolver = resolverOf({ one: spec({ ready: { output: 'now serving' } }, { DELAY_MS: '100' }) })
    await say(await wake(resolver, 'one'))
    expect(lines).toContain('now serving')
  })

  it.each([
    ['a program that is not there', { command: 'no-such-program' }, 'there is no program no-such-program'],
    ['one that ends at once', { args: ['-e', 'console.log("no disk"); process.exit(2)'] }, /code 2\): no disk/],
  ])('says why a start failed: %s', async (_name, more, cause) => {
    const resolver = resolverOf({ one: spec(more) })
    const error = await wake(resolver, 'one').catch((reason: unknown) => reason)
    expect(error).toMatchObject({ code: 'PROXY_RESOLVE_UNAVAILABLE', message: 'the tenant is unavailable' })
    expect((error as { cause: Error }).cause.message).toMatch(cause)
  })

  it('leads several keys to one backend, and asks a function for what it knows', async () => {
    const backends = (name: string): ProcessSpec | undefined => (name === 'shared' ? spec() : undefined)
    const nameOf = ({ key }: { key: string }): string | undefined => (key.startsWith('x-') ? 'shared' : undefined)
    const resolver = resolverOf(backends, { nameOf })
    expect((await ask(resolver, 'x-1')).id).toBe((await ask(resolver, 'x-2')).id)
    await expect(ask(resolver, 'y')).rejects.toMatchObject({ code: 'PROXY_RESOLVE_NOT_FOUND' })
  })

  it.each([
    [{ command: '' }, /a command is needed/],
    [{ command: 'x', endpoint: 'host' }, /no port/],
    [{ command: 'x', timeoutMs: -1 }, /timeoutMs/],
  ])('refuses %j', (bad, message) => {
    expect(() => processResolver({ backends: { one: bad } })).toThrow(message)
  })

  describe('the end of the gateway', () => {
    const start = async (how: string): Promise<{ pids: number[]; gateway: ReturnType<typeof launch> }> => {
      const args = ['--conditions=@proxy/source', '--no-warnings', gatewayProgram]
      const gateway = launch(process.execPath, [
        ...args,
        JSON.stringify(spec({ stopTimeoutMs: 1_000 }, { CHILD: '1' })),
        how,
      ])
      await gateway.waitFor(/awake/)
      await gateway.waitFor(/child \d+/)
      const pids = [...gateway.stdout.matchAll(/(?:child|server) (\d+)/g)].map(([, pid]) => Number(pid))
      expect(pids).toHaveLength(2)
      return { pids, gateway }
    }

    it.each([['exit'], ['stay']])('leaves nothing behind: %s', async (how) => {
      const { pids, gateway } = await start(how)
      if (how === 'stay') gateway.signal('SIGKILL')
      await gateway.exited
      for (const pid of pids) await untilGone(pid)
    })
  })
})
