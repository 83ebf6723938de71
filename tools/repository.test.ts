import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { files, published, root } from './workspace.ts'

const text = (path: string): string => readFileSync(root + path, 'utf8')

test('no file names a package registry', () => {
  const registry = /\bregistry\.[a-z0-9-]+\.[a-z]{2,}|\bnpm\.pkg\.|^\s*registry\s*=/im
  expect(files('').filter((path) => registry.test(text(path)))).toEqual([])
})

test('the lockfile holds no address', () => {
  expect(text('pnpm-lock.yaml')).not.toMatch(/:\/\/|tarball/)
})

test('one version of pnpm is named everywhere', () => {
  const named = [...`${text('package.json')}${text('pnpm-workspace.yaml')}`.matchAll(/\bpnpm(?:@|: )(\d[\d.]*)/g)]
  expect(named.length).toBeGreaterThanOrEqual(3)
  expect(new Set(named.map(([, version]) => version)).size).toBe(1)
})

test.each(published())('$manifest.name is ready for the registry', ({ manifest }) => {
  expect(manifest).toMatchObject({
    license: 'BSD-3-Clause',
    type: 'module',
    engines: { node: '>=22.19' },
    files: ['dist'],
    publishConfig: { access: 'public' },
  })
})
