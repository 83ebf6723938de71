import { existsSync } from 'node:fs'
import { pino } from 'pino'
import { expect, it } from 'vitest'
import { lines } from './logger.ts'

it.skipIf(!existsSync('/dev/full'))('drops lines when the disk is full, instead of keeping them all', () => {
  const stream = lines('/dev/full')
  let dropped = 0
  stream.on('drop', () => dropped++).on('error', () => {})
  const logger = pino(stream)
  for (let count = 0; count < 2_000; count++) logger.info('x'.repeat(1_000))
  expect(dropped).toBeGreaterThan(500)
})
