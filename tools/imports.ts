import { parseSync } from 'oxc-parser'

export interface Import {
  specifier: string
  /** Whether it is erased: `import type`, `export type`. */
  type: boolean
  line: number
}

/** The modules that a file names, in `import`, `export ... from` and `import('...')`. */
export function importsOf(path: string, text: string): Import[] {
  const { errors, module } = parseSync(path, text)
  if (errors[0]) throw new Error(`${path}: ${errors[0].message}`)
  const found = new Map<number, string>()
  for (const { start, moduleRequest } of module.staticImports) found.set(start, moduleRequest.value)
  for (const { start, entries } of module.staticExports) {
    const from = entries[0]?.moduleRequest
    if (from) found.set(start, from.value)
  }
  for (const { start, moduleRequest } of module.dynamicImports) {
    const quoted = /^(['"])(.*)\1$/.exec(text.slice(moduleRequest.start, moduleRequest.end))
    if (quoted?.[2]) found.set(start, quoted[2])
  }
  return [...found].map(([start, specifier]) => ({
    specifier,
    // With verbatimModuleSyntax, `import { type A }` still loads the module; only these two do not.
    type: /^(import|export)\s+type\b/.test(text.slice(start)),
    line: text.slice(0, start).split('\n').length,
  }))
}
