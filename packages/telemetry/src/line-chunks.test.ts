import { describe, expect, it } from 'vitest'
import { type Chunk, LineChunks } from './line-chunks.ts'

function taken(chunks: LineChunks): string[] {
  const texts: string[] = []
  for (let chunk: Chunk | undefined = chunks.take(); chunk !== undefined; chunk = chunks.take()) {
    texts.push(`${chunk.lines}: ${chunk.bytes.toString()}`)
  }
  return texts
}

describe('LineChunks', () => {
  it('fills a chunk to its last byte, with whole lines in their order', () => {
    const chunks = new LineChunks(8)
    for (const line of ['abc\n', 'def\n', 'g\n', 'hijklm\n']) chunks.add(line)
    expect(chunks.bytes).toBe(17)
    expect(taken(chunks)).toEqual(['2: abc\ndef\n', '1: g\n', '1: hijklm\n'])
    expect(chunks.bytes).toBe(0)
  })

  it('counts bytes, not characters, and cuts none', () => {
    const chunks = new LineChunks(8)
    for (const line of ['éé\n', 'é\n', '€€\n', '\u{1f600}\n']) chunks.add(line)
    expect(taken(chunks)).toEqual(['2: éé\né\n', '1: €€\n', '1: \u{1f600}\n'])
  })

  it('gives a line that is longer than a chunk one of its own', () => {
    const chunks = new LineChunks(8)
    const long = `${'x'.repeat(20)}\n`
    for (const line of ['a\n', long, 'b\n']) chunks.add(line)
    expect(taken(chunks)).toEqual(['1: a\n', `1: ${long}`, '1: b\n'])
  })

  it('leaves what it has given away as it is', () => {
    const chunks = new LineChunks(8)
    chunks.add('abc\n')
    const first = chunks.take()
    chunks.add('def\n')
    expect(first?.bytes.toString()).toBe('abc\n')
    expect(taken(chunks)).toEqual(['1: def\n'])
  })
})
