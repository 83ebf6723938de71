import { ask, Refused } from './access.js'
import { kill } from './actions.js'
import { byId, setText } from './dom.js'
import { bytes, span } from './format.js'
import { button, Table } from './table.js'

/** @typedef {import('@proxy/kernel').SessionStats} SessionStats */

const limit = 50
const refreshMs = 2_000

/** Sessions are asked for only when somebody wants to see them. */
export class SessionsView {
  #form = /** @type {HTMLFormElement} */ (byId('sessions-filter'))
  #keyInput = /** @type {HTMLInputElement} */ (this.#form.elements.namedItem('key'))
  #wanted = false
  #table

  constructor() {
    this.#table = new Table(byId('sessions'), {
      caption: 'Open sessions, the oldest first',
      empty: 'Press Show to see who is connected.',
      keyOf: (/** @type {SessionStats} */ { session }) => session,
      columns: [
        { title: 'Client', class: 'name', text: ({ client }) => `${client.host}:${client.port}` },
        { title: 'Tenant', class: 'name', text: ({ key }) => key ?? '–' },
        { title: 'Listener', class: 'opt', text: ({ listener }) => listener },
        { title: 'Phase', class: 'opt', text: ({ phase }) => phase },
        { title: 'Age', class: 'num', text: ({ ageMs }) => span(ageMs) },
        { title: 'Received', class: 'num opt', text: ({ bytesFromClient }) => bytes(bytesFromClient) },
        { title: 'Sent', class: 'num opt', text: ({ bytesToClient }) => bytes(bytesToClient) },
        {
          title: '',
          class: 'act',
          make: ({ session }) => button('Kill', `Kill session ${session}`, () => void this.#kill(session)),
        },
      ],
    })
    this.#table.show([])
    this.#form.addEventListener('submit', (event) => {
      event.preventDefault()
      this.#wanted = true
      void this.#load()
    })
    setInterval(() => this.#wanted && !document.hidden && void this.#load(), refreshMs)
  }

  /** @param {string} key */
  of(key) {
    this.#keyInput.value = key
    this.#form.requestSubmit()
    byId('h-sessions').scrollIntoView({ block: 'start' })
  }

  /** @param {string} session */
  async #kill(session) {
    await kill({ session }, `session ${session}`)
    await this.#load()
  }

  async #load() {
    const query = new URLSearchParams({ limit: String(limit) })
    for (const [name, value] of new FormData(this.#form)) query.set(name, typeof value === 'string' ? value : '')
    try {
      /** @type {{ sessions: SessionStats[] }} */
      const { sessions } = await ask(`/sessions?${query}`)
      this.#table.show(sessions)
      this.#nobody(sessions.length)
    } catch (error) {
      if (error instanceof Refused) this.#wanted = false
    }
  }

  /** @param {number} shown */
  #nobody(shown) {
    const cell = byId('sessions').querySelector('tr.empty td')
    if (shown === 0 && cell !== null) setText(cell, 'Nobody is connected who matches.')
  }
}
