/** The database of the tenant that is measured. */
export const database = 'bench'

export interface Item {
  /** Text: FerretDB looks numbers up by reading everything. */
  readonly _id: string
  readonly text: string
}

export const documentCount = 1_000

/** A kilobyte that is another one for each document, so that a foreign answer is seen. */
export const itemOf = (id: number): Item => ({ _id: `item-${id}`, text: `${id}:`.repeat(1_000).slice(0, 1_000) })
