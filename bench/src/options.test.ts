import { expect, test } from 'vitest'
import { parseOptions, UsageError } from './options.ts'

test('a suite alone means everything', () => {
  expect(parseOptions(['http'])).toEqual({
    suite: 'http',
    quick: false,
    json: undefined,
    markdown: undefined,
    subjects: [],
    workloads: [],
    rounds: undefined,
    seconds: undefined,
  })
})

test('every option is read', () => {
  const args = '--quick tcp --json a.json --markdown b.md --subjects x,y --workloads z --rounds 3 --seconds 0.5'
  expect(parseOptions(args.split(' '))).toEqual({
    suite: 'tcp',
    quick: true,
    json: 'a.json',
    markdown: 'b.md',
    subjects: ['x', 'y'],
    workloads: ['z'],
    rounds: 3,
    seconds: 0.5,
  })
})

test.each([
  [[], 'name one suite'],
  [['udp'], 'name one suite'],
  [['tcp', 'http'], 'name one suite'],
  [['tcp', '--rounds', '0'], '--rounds must be a number above zero'],
  [['tcp', '--rounds', '1.5'], '--rounds must be a whole number'],
  [['tcp', '--seconds', 'x'], '--seconds must be a number above zero'],
  [['tcp', '--nothing'], "Unknown option '--nothing'"],
])('%j is refused', (args, reason) => {
  expect(() => parseOptions(args)).toThrow(UsageError)
  expect(() => parseOptions(args)).toThrow(reason)
})
