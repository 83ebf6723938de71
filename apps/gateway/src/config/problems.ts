/** One thing that is wrong with a configuration. */
export interface ConfigProblem {
  /** Where: `listeners[0].tls.mode`, `HTTP_PORT`; empty = the whole. */
  readonly path: string
  readonly message: string
  /** What to write instead. */
  readonly suggestion?: string | undefined
}

/** The configuration cannot be used. Every problem is listed, not only the first. */
export class ConfigError extends Error {
  /** Where the configuration came from: a file's path, `environment`, `config`. */
  readonly source: string
  readonly problems: readonly ConfigProblem[]

  constructor(source: string, problems: readonly ConfigProblem[], cause?: unknown) {
    super(describeProblems(source, problems), cause === undefined ? undefined : { cause })
    this.source = source
    this.problems = problems
  }

  override get name(): string {
    return 'ConfigError'
  }
}

function describeProblems(source: string, problems: readonly ConfigProblem[]): string {
  return `${source} is not valid:\n${problems.map((problem) => `  ${describeProblem(problem)}`).join('\n')}`
}

/** One line: path, message and suggestion. */
export function describeProblem(problem: ConfigProblem): string {
  const where = problem.path === '' ? '' : `${problem.path}: `
  const advice = problem.suggestion === undefined ? '' : ` ${problem.suggestion}`
  return `${where}${problem.message}${advice}`
}

/** `['listeners', 0, 'tls']` -> `listeners[0].tls`. */
export function pathText(path: readonly PropertyKey[]): string {
  return path.reduce<string>((text, key) => text + step(text, key), '')
}

function step(text: string, key: PropertyKey): string {
  if (typeof key === 'number') return `[${key}]`
  const name = String(key)
  if (!/^[\w$]+$/.test(name)) return `[${JSON.stringify(name)}]`
  return text === '' ? name : `.${name}`
}
