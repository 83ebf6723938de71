import type { ChildProcess } from 'node:child_process'
import type { Readable } from 'node:stream'

// Of what a process prints, as much as an error message needs.
const keptCharacters = 4_096
const longestLine = 16_384

/** What a process prints: its last part, and every line as it comes. */
export class Output {
  readonly #onLine: ((line: string) => void) | undefined
  readonly #looking = new Set<() => void>()
  #text = ''

  constructor(child: ChildProcess, onLine?: (line: string) => void) {
    this.#onLine = onLine
    this.#collect(child.stdout)
    this.#collect(child.stderr)
  }

  /** The last part. */
  get text(): string {
    return this.#text
  }

  /** Settles when `text` was printed. */
  has(text: string): Promise<void> {
    return new Promise((resolve) => {
      const look = (): void => {
        if (!this.#text.includes(text)) return
        this.#looking.delete(look)
        resolve()
      }
      this.#looking.add(look)
      look()
    })
  }

  #collect(stream: Readable | null): void {
    let begun = ''
    stream?.setEncoding('utf8').on('data', (text: string) => {
      this.#text = (this.#text + text).slice(-keptCharacters)
      for (const look of this.#looking) look()
      begun = this.#lines(begun + text)
    })
    // A pipe that breaks is the end of the output, of which the process itself tells.
    stream?.on('error', () => undefined)
  }

  /** What is left: the beginning of a line, which is cut when it never ends. */
  #lines(text: string): string {
    if (this.#onLine === undefined) return ''
    const lines = text.split(/\r?\n/)
    const rest = lines.pop() ?? ''
    for (const line of lines) this.#onLine(line.slice(0, longestLine))
    return rest.slice(0, longestLine)
  }
}
