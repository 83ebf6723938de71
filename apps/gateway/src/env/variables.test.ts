import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { variables } from './variables.ts'

const page = readFileSync(new URL('../../../../docs/reference/environment.md', import.meta.url), 'utf8')

it('documents every variable, and no other', () => {
  const documented = new Set(page.match(/\b(HTTP|TCP|SMTP|PROXY|ADMIN|IDLE|LOG|DRAIN)_[A-Z0-9_]*[A-Z0-9]\b/g))
  expect([...documented].toSorted()).toEqual(variables.map(({ name }) => name).toSorted())
})
