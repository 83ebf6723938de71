import { readdirSync } from 'node:fs'
import { GatewayError, type Link, type LinkHandler, nodeTransport, type Transport } from '@proxy/kernel'
import { pattern, settle, until } from '@proxy/testkit'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { strictTransport } from './__fixtures__/strict.ts'

type Act =
  | { readonly does: 'write'; readonly length: number }
  | { readonly does: 'pause' | 'resume' | 'end' | 'reset' | 'destroy' | 'turn' }

interface Step {
  readonly by: 0 | 1
  readonly act: Act
  /** Within the next `onData` of that end, where small writes are held, and not at once. */
  readonly later: boolean
}

/** One end of a connection: does as it is told, and notes what must not be. */
class End implements LinkHandler {
  readonly link: Link
  readonly wrong: string[] = []
  readonly heard: Buffer[] = []
  readonly #plans: Act[] = []
  said = 0
  ends = 0
  closes = 0
  /** It has sent a RST, or dropped what it had not read. */
  broke = false
  #finished = false
  #paused = false

  constructor(link: Link) {
    this.link = link
    link.attach(this)
    link.resume()
  }

  get received(): Buffer {
    return Buffer.concat(this.heard)
  }

  onData(_link: Link, bytes: Buffer): void {
    if (this.#paused) this.wrong.push('data over a pause')
    if (this.ends > 0) this.wrong.push('data behind the end')
    if (this.closes > 0) this.wrong.push('data behind the close')
    this.heard.push(Buffer.from(bytes))
    // Several at once: what is written here is sent together.
    for (const plan of this.#plans.splice(0, 8)) this.do(plan)
  }

  onDrain(): void {
    if (this.closes > 0) this.wrong.push('drain behind the close')
    if (!this.link.writable) this.wrong.push('drain, and not writable')
  }

  onEnd(): void {
    if (this.closes > 0) this.wrong.push('end behind the close')
    this.ends++
  }

  onClose(): void {
    if (!this.link.closed) this.wrong.push('told of a close that is none')
    this.closes++
  }

  plan(act: Act): void {
    this.#plans.push(act)
  }

  do(act: Act): void {
    if (act.does === 'write') this.#write(act.length)
    else if (act.does === 'pause' || act.does === 'resume') this.#pause(act.does === 'pause')
    else if (act.does === 'end') this.end()
    else if (act.does !== 'turn') this.break(act.does === 'reset')
  }

  end(): void {
    this.#finished = true
    this.link.end()
  }

  /** The same, and nothing that was planned is done any more. */
  finish(): void {
    this.#plans.length = 0
    this.end()
  }

  break(reset: boolean): void {
    this.broke = true
    this.#finished = true
    this.link.destroy(reset)
  }

  #write(length: number): void {
    if (this.#finished || this.link.closed) return
    const bytes = Buffer.from(stream.subarray(this.said, this.said + length))
    this.said += length
    this.link.write(bytes)
    // Borrowed for the call: who keeps it must have copied it.
    bytes.fill(0)
  }

  #pause(paused: boolean): void {
    this.#paused = paused
    if (paused) this.link.pause()
    else this.link.resume()
  }
}

/** What everybody says, from its beginning. */
const stream = pattern(16 * 1_024 * 1_024)
const signal = new AbortController().signal
const descriptors = (): number => readdirSync('/proc/self/fd').length

const act: fc.Arbitrary<Act> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ does: fc.constant('write' as const), length: fc.constantFrom(1, 9, 700, 4_096) }),
  },
  { weight: 2, arbitrary: fc.record({ does: fc.constant('write' as const), length: fc.constantFrom(4_097, 400_000) }) },
  {
    weight: 4,
    arbitrary: fc.record({ does: fc.constantFrom('pause' as const, 'resume' as const, 'resume' as const) }),
  },
  { weight: 3, arbitrary: fc.record({ does: fc.constant('turn' as const) }) },
  { weight: 1, arbitrary: fc.record({ does: fc.constantFrom('end' as const, 'reset' as const, 'destroy' as const) }) },
)
const step: fc.Arbitrary<Step> = fc.record({ by: fc.constantFrom(0 as const, 1 as const), act, later: fc.boolean() })
const plays = fc.array(fc.array(step, { maxLength: 30 }), { minLength: 1, maxLength: 4 })

/** Bytes are as they were sent, from the first on; all of them, unless an end broke the connection off. */
function check(one: End, other: End): void {
  expect(one.wrong).toEqual([])
  expect(one.closes).toBe(1)
  expect(one.ends).toBeLessThanOrEqual(1)
  const { received } = one
  expect(received.equals(stream.subarray(0, received.length)), 'a prefix').toBe(true)
  expect(received.length).toBeLessThanOrEqual(other.said)
  if (one.broke || other.broke) return
  expect(received.length, 'all of it').toBe(other.said)
  expect(one.ends).toBe(1)
}

describe.each<[string, () => Transport]>([
  ['epoll', strictTransport],
  ['node', nodeTransport],
])('over the %s transport', (_name, make) => {
  const transport = make()
  const runs = Number(process.env['PROXY_TEST_CHAOS_RUNS'] ?? 80)

  const listening = (onLink: (link: Link) => void): ReturnType<Transport['listen']> =>
    transport.listen({ host: '127.0.0.1', port: 0 }, { onLink, onError: () => undefined })

  test('connections that break at any moment tell so once, and what came is what was sent', async () => {
    const accepted: Link[] = []
    const binding = await listening((link) => void accepted.push(link))
    const pair = async (): Promise<[End, End]> => {
      const near = await transport.connect({ ...binding.address, timeoutMs: 4_000 }, signal)
      await until(() => accepted.length > 0, 'the connection to be accepted')
      return [new End(near), new End(accepted.pop() as Link)]
    }
    await settle()
    const before = descriptors()
    await fc.assert(
      fc.asyncProperty(plays, async (scripts) => {
        const pairs: [End, End][] = []
        for (const _ of scripts) pairs.push(await pair())
        // All of them side by side, so that one batch of events has several connections in it.
        for (let at = 0; at < 30; at++) {
          for (const [index, script] of scripts.entries()) {
            const next = script[at]
            if (next === undefined) continue
            const end = (pairs[index] as [End, End])[next.by]
            if (next.later) end.plan(next.act)
            else end.do(next.act)
          }
          if (scripts.some((script) => script[at]?.act.does === 'turn')) await settle(1)
        }
        const ends = pairs.flat()
        await settle(2)
        for (const end of ends) end.finish()
        for (const end of ends) end.do({ does: 'resume' })
        await until(
          () => ends.every(({ closes }) => closes > 0),
          () =>
            `every end to close: ${JSON.stringify(pairs.map((both) => both.map((e) => [e.ends, e.closes, e.broke])))}`,
        )
        await settle(4)
        for (const [one, other] of pairs) {
          check(one, other)
          check(other, one)
        }
      }),
      { numRuns: runs, seed: 20_260_101 },
    )
    await until(
      () => descriptors() === before,
      () => `${descriptors()} descriptors, not ${before}`,
    )
    await binding.close()
  }, 120_000)

  test('dials whose peer closes, resets or goes away meanwhile end in a link that closes, or in an error', async () => {
    const before = descriptors()
    let count = 0
    const binding = await listening((link) => {
      const way = count++ % 4
      if (way === 0) link.destroy(true)
      else if (way === 1) link.destroy()
      else if (way === 2) {
        link.write('hello')
        link.destroy()
      } else {
        link.write('hello')
        link.end()
        new End(link)
      }
    })
    const ends: End[] = []
    const errors: unknown[] = []
    const dials: Promise<void>[] = []
    for (let dial = 0; dial < 120; dial++) {
      const abort = new AbortController()
      const dialled = transport.connect({ ...binding.address, timeoutMs: 4_000 }, abort.signal)
      dials.push(
        dialled.then(
          (link) => void ends.push(new End(link)),
          (error: unknown) => void errors.push(error),
        ),
      )
      if (dial % 7 === 0) abort.abort(new GatewayError('PROXY_CLIENT_GONE'))
      // The listener goes away under the last of them.
      if (dial === 100) void binding.close()
    }
    await Promise.all(dials)
    for (const end of ends) end.end()
    await until(() => ends.every(({ closes }) => closes > 0), 'every link to close')
    await settle()
    expect(ends.flatMap(({ wrong }) => wrong)).toEqual([])
    expect(ends.every(({ closes, ends: fins }) => closes === 1 && fins <= 1)).toBe(true)
    expect(ends.every(({ received }) => 'hello'.startsWith(received.toString()))).toBe(true)
    expect(errors.every((error) => error instanceof GatewayError)).toBe(true)
    await until(
      () => descriptors() === before,
      () => `${descriptors()} descriptors, not ${before}`,
    )
  }, 60_000)
})
