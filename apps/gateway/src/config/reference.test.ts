import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { layerShapes } from './layer-shapes.ts'
import { configKeys } from './schema.ts'

const page = readFileSync(new URL('../../../../docs/reference/configuration.md', import.meta.url), 'utf8')

describe('docs/reference/configuration.md', () => {
  it.each(Object.entries(configKeys))('names every key of %s', (_name, keys) => {
    for (const key of keys) expect(page).toContain(`\`${key}\``)
  })

  it.each(Object.entries(layerShapes))('names every option of %s', (_name, shape) => {
    for (const key of Object.keys(shape)) expect(page).toContain(`\`${key}\``)
  })
})
