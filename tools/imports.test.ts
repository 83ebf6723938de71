import { expect, test } from 'vitest'
import { importsOf } from './imports.ts'

const specifiers = (text: string): string[] =>
  importsOf('a.ts', text).map(({ specifier, type, line }) => `${line} ${type ? 'type ' : ''}${specifier}`)

test('finds every way to name a module', () => {
  const text = [
    `import 'a'`,
    `import b from 'b'`,
    `import * as c from 'c'`,
    `export * from 'd'`,
    `export { e } from 'e'`,
    `const f: unknown = await import('f')`,
  ].join('\n')
  expect(specifiers(text)).toEqual(['1 a', '2 b', '3 c', '4 d', '5 e', '6 f'].toSorted())
})

test('tells what is erased from what is loaded', () => {
  const text = `import type { a } from 'a'\nexport type { b } from 'b'\nimport { type c } from 'c'`
  expect(specifiers(text).toSorted()).toEqual(['1 type a', '2 type b', '3 c'])
})

test('is not misled by strings and comments', () => {
  expect(specifiers(`// import 'a'\nconst text: string = "import 'b'"`)).toEqual([])
})

test('says which file cannot be read', () => {
  expect(() => importsOf('broken.ts', 'import {')).toThrow('broken.ts')
})
