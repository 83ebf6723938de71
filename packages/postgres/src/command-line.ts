/** The startup parameter `options`: a piece of the server's command line. */

/** A word of the command line and where it stands, escapes included. */
interface Word {
  readonly text: string
  readonly start: number
  readonly end: number
}

/** White space separates words; a backslash takes the next character as it is. */
function words(line: string): Word[] {
  const found: Word[] = []
  for (const match of line.matchAll(/(?:\\[^]|[^\s\\])+/g)) {
    const text = match[0].replace(/\\([^])/g, '$1')
    found.push({ text, start: match.index, end: match.index + match[0].length })
  }
  return found
}

export interface TakenSetting {
  /** The value of the last one, which is the one that counts in PostgreSQL. */
  readonly value: string
  /** The command line without it. */
  readonly rest: string
}

/**
 * Takes a setting out of the command line, in each way in which PostgreSQL lets it be written: `-c name=value`,
 * `-cname=value`, `--name=value`. undefined when it is not there.
 */
export function takeSetting(line: string, name: string): TakenSetting | undefined {
  const list = words(line)
  let value: string | undefined
  let rest = ''
  let kept = 0
  for (let i = 0; i < list.length; i++) {
    const word = list[i]!
    const next = word.text === '-c' ? list[i + 1] : undefined
    const found = settingIn(next === undefined ? word.text : `-c${next.text}`, name)
    if (next !== undefined) i++
    if (found === undefined) continue
    value = found
    rest += line.slice(kept, word.start)
    kept = (next ?? word).end
  }
  return value === undefined ? undefined : { value, rest: (rest + line.slice(kept)).trim() }
}

function settingIn(word: string, name: string): string | undefined {
  const assignment = /^(?:-c|--)([^=]+)=(.*)$/s.exec(word)
  // In option names the server takes '-' for '_'.
  return assignment?.[1]!.replaceAll('-', '_') === name ? assignment[2] : undefined
}
