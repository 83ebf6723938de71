import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { describe, expect, test } from 'vitest'
import { createServer } from 'node:net'
import { cpuSeconds, memoryKib, openSockets, parseCpuSeconds, parsePssKib, parseSlabKib, processTree } from './proc.ts'

test('CPU time is found behind a name that looks like fields', () => {
  const stat = '42 (a) b) S 1 42 42 0 -1 4194560 100 0 0 0 250 50 9 9 20 0 1 0 100 1000 10'
  expect(parseCpuSeconds(stat)).toBe(3)
})

test('PSS is read, and nothing else that begins like it', () => {
  const rollup = 'Rss:    900 kB\nPss_Dirty:   1 kB\nPss:                 123 kB\nPss_Anon:  7 kB\n'
  expect(parsePssKib(rollup)).toBe(123)
  expect(() => parsePssKib('Rss: 1 kB\n')).toThrow('no Pss')
})

test('the slab is read, and neither of its parts', () => {
  expect(parseSlabKib('SReclaimable:  10 kB\nSlab:            4321 kB\nSUnreclaim:  7 kB\n')).toBe(4321)
  expect(() => parseSlabKib('MemFree: 1 kB\n')).toThrow('no Slab')
})

describe.skipIf(process.platform !== 'linux')('/proc', () => {
  test('ticks are hundredths of a second', () => {
    expect(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }).trim()).toBe('100')
  })

  test('the tree of a process has its descendants', async () => {
    const script = "const c = require('child_process').spawn('sleep', ['60']); c.on('spawn', () => console.log(c.pid))"
    const child = spawn(process.execPath, ['-e', script])
    const [line] = (await once(child.stdout, 'data')) as [Buffer]
    const grandchild = Number(line.toString())
    try {
      expect(processTree(child.pid ?? 0)).toEqual([child.pid, grandchild])
      expect(memoryKib([child.pid ?? 0])).toBeGreaterThan(1000)
    } finally {
      process.kill(grandchild)
      child.kill()
      await once(child, 'close')
    }
    expect(() => cpuSeconds([child.pid ?? 0])).toThrow()
  })

  test('sockets are counted', async () => {
    const before = openSockets(process.pid)
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    expect(openSockets(process.pid)).toBe(before + 1)
    server.close()
  })
})
