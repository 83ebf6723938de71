// Everything that is shown goes through textContent: names of tenants are written by strangers.

/**
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {Readonly<Record<string, string>>} [attributes] `text` is the text in it
 * @param {...Node} children
 * @returns {HTMLElementTagNameMap[T]}
 */
export function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) {
    if (name === 'text') element.textContent = value ?? ''
    else element.setAttribute(name, value ?? '')
  }
  element.append(...children)
  return element
}

/**
 * @param {string} tag
 * @param {Record<string, string>} [attributes]
 * @returns {SVGElement}
 */
export function svg(tag, attributes = {}) {
  const element = document.createElementNS('http://www.w3.org/2000/svg', tag)
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value)
  return element
}

/**
 * An element of the page by its id.
 * @param {string} id
 * @returns {HTMLElement}
 */
export function byId(id) {
  const element = document.getElementById(id)
  if (element === null) throw new Error(`the page has no #${id}`)
  return element
}

/**
 * Touches the page only where something is new, so that a selection or a reader's place is not lost.
 * @param {Element} element
 * @param {string} text
 */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text
}

/**
 * Children that stand for items, by key: kept, moved and removed as the items are.
 * @template T
 * @template {HTMLElement} E
 * @param {HTMLElement} parent
 * @param {readonly T[]} items
 * @param {(item: T) => string} keyOf
 * @param {(item: T) => E} create
 * @param {(element: E, item: T) => void} update
 */
export function keyed(parent, items, keyOf, create, update) {
  const known = new Map([...parent.children].map((child) => [/** @type {HTMLElement} */ (child).dataset['key'], child]))
  let place = parent.firstElementChild
  for (const item of items) {
    const key = keyOf(item)
    const element = /** @type {E} */ (known.get(key) ?? create(item))
    known.delete(key)
    element.dataset['key'] = key
    update(element, item)
    if (element === place) place = element.nextElementSibling
    else parent.insertBefore(element, place)
  }
  for (const element of known.values()) element.remove()
}
