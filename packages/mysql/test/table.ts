import type { Outcome } from './clients.ts'

/** Collects what came of logins, and prints it. */
export class Table {
  readonly #title: string
  readonly #columns: readonly string[]
  readonly #rows = new Map<string, Map<string, Map<string, string>>>()

  constructor(title: string, columns: readonly string[]) {
    this.#title = title
    this.#columns = columns
  }

  add(row: string, column: string, client: string, { code }: Outcome): void {
    const cells = this.#rows.get(row) ?? new Map<string, Map<string, string>>()
    this.#rows.set(row, cells)
    const cell = cells.get(column) ?? new Map<string, string>()
    cells.set(column, cell)
    cell.set(client, code === undefined ? 'ok' : String(code))
  }

  print(): void {
    const lines = [...this.#rows].map(([name, cells]) => [
      name,
      ...this.#columns.map((column) => say(cells.get(column))),
    ])
    const all = [[this.#title, ...this.#columns], ...lines]
    const widths = all[0]!.map((_, i) => Math.max(...all.map((line) => line[i]!.length)))
    const text = all.map((line) =>
      line
        .map((cell, i) => cell.padEnd(widths[i]!))
        .join('  ')
        .trimEnd(),
    )
    process.stdout.write(`\n${text.join('\n')}\n`)
  }
}

/** One word when all clients agree, else a word each. */
function say(cell: ReadonlyMap<string, string> | undefined): string {
  if (cell === undefined) return '-'
  const [first, ...others] = new Set(cell.values())
  return others.length === 0 ? first! : [...cell].map(([client, word]) => `${client} ${word}`).join(' ')
}
