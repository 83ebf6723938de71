import type { z } from 'zod'
import { type ConfigProblem, pathText } from './problems.ts'
import { didYouMean } from './suggest.ts'

type Path = readonly PropertyKey[]
type Issue = z.core.$ZodIssue

/** Compares `value` with `schema`; the problems carry paths below `at`. */
export function check(schema: z.ZodType, value: unknown, at: Path = []): ConfigProblem[] {
  const result = schema.safeParse(value)
  if (result.success) return []
  return result.error.issues.flatMap((issue) => problemsOf(issue, { schema, value, at }))
}

interface Place {
  readonly schema: z.ZodType
  readonly value: unknown
  readonly at: Path
}

function problemsOf(issue: Issue, place: Place): ConfigProblem[] {
  if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => unknownKey(key, issue.path, place))
  if (issue.code === 'invalid_union') return unionProblems(issue, place)
  return [{ path: pathText([...place.at, ...issue.path]), ...explain(issue, valueAt(place.value, issue.path)) }]
}

function unknownKey(key: string, path: Path, place: Place): ConfigProblem {
  const known = keysAt(place.schema, path)
  const suggestion = didYouMean(key, known) ?? (known.length > 0 ? `Known are ${known.join(', ')}.` : undefined)
  return { path: pathText([...place.at, ...path, key]), message: 'is not a known key.', suggestion }
}

// Of a union, the branch that the value was meant for is the one that it does not fail at its root.
function unionProblems(issue: z.core.$ZodIssueInvalidUnion, place: Place): ConfigProblem[] {
  const meant = issue.errors.find((branch) => branch.length > 0 && !branch.some(failsAtRoot))
  const prefixed = (inner: Issue): Issue => ({ ...inner, path: [...issue.path, ...inner.path] })
  if (meant !== undefined) return meant.flatMap((inner) => problemsOf(prefixed(inner), place))
  const value = valueAt(place.value, issue.path)
  const expected = [...new Set(issue.errors.flat().flatMap(expectation))].join(' or ')
  return [{ path: pathText([...place.at, ...issue.path]), message: mustBe(expected, value) }]
}

const failsAtRoot = (issue: Issue): boolean =>
  issue.path.length === 0 && (issue.code === 'invalid_type' || issue.code === 'invalid_value')

function expectation(issue: Issue): string[] {
  if (issue.code === 'invalid_type') return [typeName(issue.expected)]
  if (issue.code === 'invalid_value') return issue.values.map((value) => JSON.stringify(value))
  return []
}

function explain(issue: Issue, value: unknown): Pick<ConfigProblem, 'message' | 'suggestion'> {
  switch (issue.code) {
    case 'invalid_type':
      return { message: mustBe(typeName(issue.expected), value) }
    case 'invalid_value':
      return notOneOf(issue.values.map(String), value)
    case 'too_small':
      return { message: `must be at least ${issue.minimum}${unitOf(issue.origin)}, not ${sizeOf(value)}.` }
    case 'too_big':
      return { message: `must be at most ${issue.maximum}${unitOf(issue.origin)}, not ${sizeOf(value)}.` }
    default:
      return { message: issue.message }
  }
}

/** A value outside of an enumeration. */
export function notOneOf(known: readonly string[], value: unknown): Pick<ConfigProblem, 'message' | 'suggestion'> {
  const suggestion = typeof value === 'string' ? didYouMean(value, known) : undefined
  return { message: mustBe(`one of ${known.join(', ')}`, value), suggestion }
}

function mustBe(expected: string, value: unknown): string {
  return value === undefined ? `is missing: it must be ${expected}.` : `must be ${expected}, not ${shown(value)}.`
}

// Only short plain values are repeated: anything longer may be a key or a certificate.
function shown(value: unknown): string {
  if (typeof value === 'string' && value.length <= 40 && !value.includes('\n')) return JSON.stringify(value)
  if (typeof value === 'number' || typeof value === 'boolean' || value === null) return String(value)
  if (Array.isArray(value)) return 'a list'
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`
}

const sizeOf = (value: unknown): string =>
  typeof value === 'number' ? String(value) : Array.isArray(value) ? String(value.length) : shown(value)

const unitOf = (origin: string): string => (origin === 'array' ? ' entries' : origin === 'string' ? ' characters' : '')

const typeNames: Record<string, string> = {
  object: 'an object',
  record: 'an object',
  array: 'a list',
  int: 'a whole number',
  string: 'text',
  boolean: 'true or false',
  function: 'a function',
}

const typeName = (expected: string): string => typeNames[expected] ?? `a ${expected}`

function valueAt(value: unknown, path: Path): unknown {
  return path.reduce<unknown>((at, key) => (at as Record<PropertyKey, unknown> | undefined)?.[key], value)
}

/** The keys that the object at `path` of `schema` may have. */
function keysAt(schema: z.ZodType, path: Path): string[] {
  const found = path.reduce<Def[]>((defs, key) => defs.flatMap((def) => childOf(def, key)), alternatives(defOf(schema)))
  return found.flatMap((def) => Object.keys(def.shape ?? {}))
}

/** The parts of zod's schema definitions that are walked here. */
interface Def {
  readonly shape?: Readonly<Record<string, z.ZodType>> | undefined
  readonly element?: z.ZodType | undefined
  readonly valueType?: z.ZodType | undefined
  readonly innerType?: z.ZodType | undefined
  readonly options?: readonly z.ZodType[] | undefined
}

const defOf = (schema: z.ZodType): Def => schema.def as Def

function alternatives(def: Def): Def[] {
  if (def.innerType !== undefined) return alternatives(defOf(def.innerType))
  if (def.options !== undefined) return def.options.flatMap((option) => alternatives(defOf(option)))
  return [def]
}

function childOf(def: Def, key: PropertyKey): Def[] {
  const child = def.shape?.[String(key)] ?? def.element ?? def.valueType
  return child === undefined ? [] : alternatives(defOf(child))
}
