import { mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Duplex, PassThrough, type Writable } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { LineBuffer } from './line-buffer.ts'
import { FileSink, type LogSink, StreamSink, type Written } from './log-sinks.ts'

/** A disk that takes as much as it is told to. */
class Disk implements LogSink {
  readonly maxChunkBytes = 16
  text = ''
  room = Infinity
  reopen(): void {}
  close(): void {}
  write(chunk: Buffer, done: Written): void {
    const bytes = Math.min(chunk.length, this.room)
    this.text += chunk.subarray(0, bytes).toString()
    this.room -= bytes
    if (bytes === 0) done(Object.assign(new Error('no space left'), { code: 'ENOSPC' }), 0)
    else done(null, bytes)
  }
}

const numbered = (count: number, from = 0): string[] => Array.from({ length: count }, (_, i) => `line ${from + i}\n`)

describe('LineBuffer', () => {
  it('writes whole lines in their order, several at a time', async () => {
    const disk = new Disk()
    const lines = new LineBuffer(disk)
    for (const line of numbered(50)) lines.write(line)
    await lines.close()
    expect(disk.text).toBe(numbered(50).join(''))
  })

  it('drops and counts lines while the disk is full, and goes on where it stopped when there is room', async () => {
    const disk = new Disk()
    let dropped = 0
    const lines = new LineBuffer(disk, { maxWaiting: 70, delayMs: 0, onDropped: () => dropped++ })
    disk.room = 3
    for (const line of numbered(20)) lines.write(line)
    expect(disk.text).toBe('lin')
    // One is in part on the disk, nine wait.
    expect(dropped).toBe(10)
    disk.room = Infinity
    lines.flush()
    lines.write('line 20\n')
    expect(disk.text).toBe([...numbered(10), 'line 20\n'].join(''))
    await lines.close()
    lines.write('too late\n')
    expect(dropped).toBe(11)
  })

  it('writes full chunks at once, and the rest only with more lines, or after a while', async () => {
    const writes: { readonly text: string; readonly done: Written }[] = []
    const sink: LogSink = {
      maxChunkBytes: 16,
      write: (chunk, done) => void writes.push({ text: chunk.toString(), done }),
      reopen: () => {},
      close: () => {},
    }
    const settle = (): void => {
      const { text, done } = writes.at(-1)!
      done(null, text.length)
    }
    const texts = (): string[] => writes.map(({ text }) => text)
    const lines = new LineBuffer(sink, { delayMs: 5 })
    for (const line of numbered(3)) lines.write(line)
    expect(texts()).toEqual(['line 0\nline 1\n'])
    settle()
    expect(texts()).toHaveLength(1)
    await expect.poll(texts).toEqual(['line 0\nline 1\n', 'line 2\n'])
    for (const line of numbered(3, 3)) lines.write(line)
    settle()
    expect(texts().slice(2)).toEqual(['line 3\nline 4\n'])
    const closed = lines.close()
    settle()
    expect(texts().slice(3)).toEqual(['line 5\n'])
    settle()
    await closed
  })

  it('is not held up by a pipe that nobody reads', async () => {
    const pipe = new PassThrough({ highWaterMark: 10 })
    let dropped = 0
    const lines = new LineBuffer(new StreamSink(pipe), { maxWaiting: 80, delayMs: 0, onDropped: () => dropped++ })
    for (const line of numbered(30)) lines.write(line)
    await expect.poll(() => dropped).toBeGreaterThan(0)
    let text = ''
    pipe.on('data', (chunk: Buffer) => (text += chunk.toString()))
    await expect.poll(() => text.split('\n').length - 1 + dropped).toBe(30)
    expect(text).toBe(numbered(30 - dropped).join(''))
    await lines.close()
  })

  it('survives a pipe that breaks', async () => {
    const pipe: Writable = new Duplex({
      read: () => undefined,
      write: (_chunk, _encoding, done) => done(new Error('EPIPE')),
    })
    let dropped = 0
    const lines = new LineBuffer(new StreamSink(pipe), { maxWaiting: 20, delayMs: 0, onDropped: () => dropped++ })
    for (const line of numbered(10)) lines.write(line)
    await new Promise((resolve) => setImmediate(resolve))
    for (const line of numbered(10)) lines.write(line)
    expect(dropped).toBeGreaterThan(0)
  })
})

describe('FileSink', () => {
  it('adds to its file, and goes on in a new one when that was renamed', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'access-log-'))
    try {
      const path = join(directory, 'logs', 'access.log')
      const lines = new LineBuffer(new FileSink(path), { delayMs: 0 })
      lines.write('one\n')
      await expect.poll(() => readFileSync(path, 'utf8')).toBe('one\n')
      renameSync(path, `${path}.1`)
      lines.reopen()
      lines.write('two\n')
      await lines.close()
      expect([readFileSync(`${path}.1`, 'utf8'), readFileSync(path, 'utf8')]).toEqual(['one\n', 'two\n'])
    } finally {
      rmSync(directory, { recursive: true })
    }
  })
})
