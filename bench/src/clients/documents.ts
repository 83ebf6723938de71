/** The database of the tenant that is measured. */
export const database = 'bench'

export interface Item {
  readonly _id: number
  readonly text: string
}

/** Few: FerretDB reads all of them to find one, and it is not to be the measure. */
export const documentCount = 20

/** A kilobyte that is another one for each document, so that a foreign answer is seen. */
export const itemOf = (id: number): Item => ({ _id: id, text: `${id}:`.repeat(1_000).slice(0, 1_000) })
