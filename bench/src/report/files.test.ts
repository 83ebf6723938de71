import { expect, test } from 'vitest'
import { withBlock } from './blocks.ts'
import { filesOf, readReport, readText } from './files.ts'

const report = readReport()

test('there is a report', () => expect(report).toBeDefined())

test.each([...filesOf(report!)])('%s says what the data of the report say', (file, text) => {
  expect(readText(file)).toBe(text)
})

test('a block is replaced between its marks, and must be there', () => {
  const text = 'a\n<!-- bench: x -->\nold\n<!-- /bench -->\nb\n<!-- bench: y -->\n\nkept\n\n<!-- /bench -->\n'
  const replaced = withBlock(text, 'x', 'new')
  expect(replaced).toBe(
    'a\n<!-- bench: x -->\n\nnew\n\n<!-- /bench -->\nb\n<!-- bench: y -->\n\nkept\n\n<!-- /bench -->\n',
  )
  expect(withBlock(replaced, 'x', 'new')).toBe(replaced)
  expect(() => withBlock(text, 'z', 'new')).toThrow('bench: z')
})
