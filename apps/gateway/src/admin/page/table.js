import { el, keyed, setText } from './dom.js'

/**
 * @template T
 * @typedef {object} Column
 * @property {string} title
 * @property {string} [class] `num`: a number; `opt`: not on a narrow screen; `name`: may be long
 * @property {(item: T) => string} [text]
 * @property {(item: T) => Node} [make] what the cell holds, made once for a row
 * @property {(cell: HTMLElement, item: T) => void} [update]
 */

/**
 * A table whose rows stay the same elements for as long as they stand for the same thing.
 * @template T
 */
export class Table {
  #body = el('tbody', { role: 'rowgroup' })
  #empty
  #columns
  #keyOf

  /**
   * @param {HTMLElement} table
   * @param {{ caption: string, empty: string, columns: readonly Column<T>[], keyOf: (item: T) => string }} options
   */
  constructor(table, { caption, empty, columns, keyOf }) {
    this.#columns = columns
    this.#keyOf = keyOf
    this.#empty = el(
      'tr',
      { class: 'empty', role: 'row' },
      el('td', { role: 'cell', text: empty, colspan: String(columns.length) }),
    )
    const heads = columns.map((column) =>
      el('th', { scope: 'col', role: 'columnheader', class: column.class ?? '', text: column.title }),
    )
    const head = el('thead', { role: 'rowgroup' }, el('tr', { role: 'row' }, ...heads))
    // A narrow screen lays rows out in another way; told so, readers still know that it is a table.
    table.setAttribute('role', 'table')
    table.append(el('caption', { class: 'visually-hidden', text: caption }), head, this.#body)
  }

  /** @param {readonly T[]} items */
  show(items) {
    if (items.length === 0) this.#body.replaceChildren(this.#empty)
    else this.#showRows(items)
  }

  /** @param {readonly T[]} items */
  #showRows(items) {
    this.#empty.remove()
    keyed(
      this.#body,
      items,
      this.#keyOf,
      (item) => this.#row(item),
      (row, item) => this.#update(row, item),
    )
  }

  /** @param {T} item */
  #row(item) {
    const cells = this.#columns.map((column, index) => {
      const cell = index === 0 ? el('th', { scope: 'row', role: 'rowheader' }) : el('td', { role: 'cell' })
      cell.className = column.class ?? ''
      if (column.make !== undefined) cell.append(column.make(item))
      return cell
    })
    return el('tr', { role: 'row' }, ...cells)
  }

  /**
   * @param {HTMLElement} row
   * @param {T} item
   */
  #update(row, item) {
    for (const [index, column] of this.#columns.entries()) {
      const cell = /** @type {HTMLElement} */ (row.children[index])
      if (column.text !== undefined) setText(cell, column.text(item))
      column.update?.(cell, item)
    }
  }
}

/**
 * @param {string} text
 * @param {string} label what it does to what, for readers
 * @param {() => unknown} click
 */
export function button(text, label, click) {
  const made = el('button', { type: 'button', class: 'small', text, 'aria-label': label })
  made.addEventListener('click', () => void click())
  return made
}
