import { expect, test } from 'vitest'
import { headlineSuites, parseOptions, UsageError } from './options.ts'

test('a suite alone means everything', () => {
  expect(parseOptions(['http'])).toEqual({
    suites: ['http'],
    quick: false,
    json: undefined,
    markdown: undefined,
    svg: undefined,
    report: false,
    subjects: [],
    workloads: [],
    rounds: undefined,
    seconds: undefined,
  })
})

test('every option is read', () => {
  const args =
    '--quick tcp --json a.json --markdown b.md --svg c.svg --subjects x,y --workloads z --rounds 3 --seconds 0.5'
  expect(parseOptions(args.split(' '))).toEqual({
    suites: ['tcp'],
    quick: true,
    json: 'a.json',
    markdown: 'b.md',
    svg: 'c.svg',
    report: false,
    subjects: ['x', 'y'],
    workloads: ['z'],
    rounds: 3,
    seconds: 0.5,
  })
})

test('several suites, each once and in a fixed order; all are those of the goals', () => {
  expect(parseOptions(['mysql', 'tcp', 'mysql', '--report'])).toMatchObject({ suites: ['tcp', 'mysql'], report: true })
  expect(parseOptions(['all', 'smtp']).suites).toEqual([...headlineSuites, 'smtp'])
})

test('a report needs no suite: it can be made anew of its data', () => {
  expect(parseOptions(['--report'])).toMatchObject({ suites: [], report: true })
})

test.each([
  [[], 'name a suite'],
  [['udp'], 'name a suite'],
  [['tcp', '--report', '--quick'], '--report takes'],
  [['tcp', '--report', '--subjects', 'gateway'], '--report takes'],
  [['tcp', '--rounds', '0'], '--rounds must be a number above zero'],
  [['tcp', '--rounds', '1.5'], '--rounds must be a whole number'],
  [['tcp', '--seconds', 'x'], '--seconds must be a number above zero'],
  [['tcp', '--nothing'], "Unknown option '--nothing'"],
])('%j is refused', (args, reason) => {
  expect(() => parseOptions(args)).toThrow(UsageError)
  expect(() => parseOptions(args)).toThrow(reason)
})
