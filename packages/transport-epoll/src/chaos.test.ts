import type { Link, LinkHandler, Transport } from '@proxy/kernel'
import { settle, until } from '@proxy/testkit'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { strictTransport } from './__fixtures__/strict.ts'

type Act = 'write' | 'burst' | 'pause' | 'resume' | 'end' | 'turn' | 'settle'

interface Step {
  readonly end: 0 | 1
  readonly act: Act
}

/** One end that does as it is told and writes down what it hears. */
class End implements LinkHandler {
  readonly link: Link
  readonly heard: Buffer[] = []
  readonly said: Buffer[] = []
  readonly wrong: string[] = []
  closes = 0
  ends = 0
  #ended = false
  #paused = false
  #serial = 0

  constructor(link: Link) {
    this.link = link
    link.attach(this)
    link.resume()
  }

  onData(_link: Link, bytes: Buffer): void {
    if (this.#paused || this.ends > 0 || this.closes > 0) this.wrong.push('data out of turn')
    this.heard.push(Buffer.from(bytes))
  }

  onDrain(): void {
    if (!this.link.writable) this.wrong.push('drained, and not writable')
  }

  onEnd(): void {
    if (this.#paused || this.closes > 0) this.wrong.push('end out of turn')
    this.ends++
  }

  onClose(_link: Link, error: Error | undefined): void {
    if (error !== undefined) this.wrong.push(String(error))
    this.closes++
  }

  async does(act: Act): Promise<void> {
    if (act === 'write') this.#say(1 + (this.#serial % 97))
    else if (act === 'burst') this.#say(300_000)
    else if (act === 'pause') this.#pause(true)
    else if (act === 'resume') this.#pause(false)
    else if (act === 'end') this.finish()
    else await (act === 'turn' ? Promise.resolve() : settle())
  }

  finish(): void {
    this.#ended = true
    this.link.end()
  }

  #pause(paused: boolean): void {
    this.#paused = paused
    if (paused) this.link.pause()
    else this.link.resume()
  }

  #say(length: number): void {
    if (this.#ended) return
    const bytes = Buffer.alloc(length, String.fromCharCode(97 + (this.#serial++ % 26)))
    this.said.push(Buffer.from(bytes))
    this.link.write(bytes)
    bytes.fill(0)
  }
}

async function pair(transport: Transport): Promise<{ ends: [End, End]; close: () => Promise<void> }> {
  const links: Link[] = []
  const acceptor = { onLink: (link: Link) => void links.push(link), onError: () => undefined }
  const binding = await transport.listen({ host: '127.0.0.1', port: 0 }, acceptor)
  const dialled = await transport.connect({ ...binding.address, timeoutMs: 4_000 }, new AbortController().signal)
  await until(() => links.length === 1, 'the connection to be accepted')
  return { ends: [new End(dialled), new End(links[0] as Link)], close: () => binding.close() }
}

const step: fc.Arbitrary<Step> = fc.record({
  end: fc.constantFrom(0 as const, 1 as const),
  act: fc.constantFrom<Act>('write', 'write', 'burst', 'pause', 'resume', 'end', 'turn', 'settle'),
})

test('whatever the order of events, every byte arrives once and both ends close in order', async () => {
  const transport = strictTransport()
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const { ends, close } = await pair(transport)
      for (const { end, act } of steps) await ends[end].does(act)
      for (const end of ends) end.finish()
      for (const end of ends) await end.does('resume')
      await until(() => ends.every(({ closes }) => closes > 0), 'both ends to close')
      await settle()
      for (const [one, other] of [ends, [...ends].reverse()] as [End, End][]) {
        expect(one.wrong).toEqual([])
        expect([one.ends, one.closes]).toEqual([1, 1])
        expect(Buffer.concat(one.heard).equals(Buffer.concat(other.said))).toBe(true)
        expect(one.link.bytesRead).toBe(other.link.bytesWritten)
      }
      await close()
    }),
    { numRuns: Number(process.env['PROXY_TEST_CHAOS_RUNS'] ?? 150) },
  )
}, 120_000)
