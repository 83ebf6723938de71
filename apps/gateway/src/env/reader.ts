import { type ConfigProblem } from '../config/problems.ts'
import { notOneOf } from '../config/check.ts'
import { type Environment, isSet } from './variables.ts'

const truths = ['1', 'true', 'yes', 'on']
const falsehoods = ['0', 'false', 'no', 'off']

/** Reads typed values; what cannot be read is noted as a problem and taken as absent. */
export class EnvironmentReader {
  readonly problems: ConfigProblem[] = []
  readonly #env: Environment

  constructor(env: Environment) {
    this.#env = env
  }

  has(name: string): boolean {
    return isSet(this.#env, name)
  }

  text(name: string): string | undefined {
    return this.has(name) ? this.#env[name]!.trim() : undefined
  }

  flag(name: string): boolean | undefined {
    const value = this.text(name)?.toLowerCase()
    if (value === undefined) return undefined
    if (truths.includes(value)) return true
    if (!falsehoods.includes(value)) this.fail(name, 'must be true or false.')
    return false
  }

  integer(name: string, least: number, most: number): number | undefined {
    const value = this.text(name)
    if (value === undefined) return undefined
    const number = Number(value)
    if (Number.isInteger(number) && number >= least && number <= most) return number
    this.fail(name, `must be a whole number from ${least} to ${most}, not ${JSON.stringify(value)}.`)
    return undefined
  }

  port(name: string): number | undefined {
    return this.integer(name, 0, 65_535)
  }

  oneOf<T extends string>(name: string, known: readonly T[]): T | undefined {
    const value = this.text(name)?.toLowerCase()
    if (value === undefined) return undefined
    const found = known.find((candidate) => candidate === value)
    if (found === undefined) this.problems.push({ path: name, ...notOneOf(known, value) })
    return found
  }

  fail(name: string, message: string, suggestion?: string): void {
    this.problems.push({ path: name, message, suggestion })
  }
}
