import { byId, el, keyed, setText } from './dom.js'
import { count, duration, span, time } from './format.js'
import { Table } from './table.js'

/** @typedef {import('../api/operator.ts').OperatorSnapshot} Snapshot */
/** @typedef {import('../api/layers.ts').WakeUnderWay} WakeUnderWay */
/** @typedef {import('../api/backends.ts').BackendView} BackendView */
/** @typedef {import('../api/wake-log.ts').FinishedWake} FinishedWake */

const recentShown = 8

export class WakesView {
  #recent

  constructor() {
    this.#recent = new Table(byId('recent'), {
      caption: 'Wakes that have ended, the latest first',
      empty: 'No backend was woken yet.',
      keyOf: (/** @type {FinishedWake} */ { backend, endedAt }) => `${backend}\n${endedAt}`,
      columns: [
        { title: 'Backend', class: 'name', text: ({ backend }) => backend },
        { title: 'At', class: 'num opt', text: ({ endedAt }) => time(endedAt) },
        { title: 'Took', class: 'num', text: ({ durationMs }) => duration(durationMs) },
        { title: 'Result', make: ({ error }) => badge(error ?? 'awake', error === null ? 'good' : 'bad') },
      ],
    })
  }

  /** @param {Snapshot} snapshot */
  show({ coldStarts, backends }) {
    keyed(byId('wakes'), coldStarts.wakes, ({ backend }) => backend, newWake, showWake)
    byId('wakes-empty').hidden = coldStarts.wakes.length > 0
    this.#recent.show(coldStarts.recent.slice(0, recentShown))
    byId('backends-part').hidden = backends.length === 0
    keyed(byId('backends'), backends, ({ backend }) => backend, newBackend, showBackend)
    const { woken, failures } = coldStarts
    const facts = [woken > 0 ? `${count(woken)} woken` : '', failures > 0 ? `${count(failures)} failed` : '']
    setText(byId('wakes-note'), facts.filter((fact) => fact !== '').join(', '))
  }
}

/**
 * @param {string} text
 * @param {string} state `good`, `warn` or `bad`
 */
export const badge = (text, state) => el('span', { class: 'badge', 'data-state': state, text })

/** @param {WakeUnderWay} wake */
function newWake({ backend, key }) {
  const title = el('b', { text: backend })
  const note = key === '' || key === backend ? '' : `for ${key}`
  const facts = el('p', { 'aria-live': 'off' })
  facts.append(el('span', { class: 'waiting' }), el('span', { class: 'elapsed' }))
  return el('article', { class: 'wake' }, el('p', {}, title, el('small', { text: note })), facts, el('i'))
}

/**
 * @param {HTMLElement} element
 * @param {WakeUnderWay} wake
 */
function showWake(element, { waiting, elapsedMs, state }) {
  const [waits, elapsed] = element.querySelectorAll('span')
  element.dataset['state'] = state
  if (waits) setText(waits, waiting === 1 ? '1 client waits' : `${count(waiting)} clients wait`)
  if (elapsed) setText(elapsed, state === 'releasing' ? 'letting them in' : `waking for ${duration(elapsedMs)}`)
}

/** @param {BackendView} backend */
function newBackend({ backend, key }) {
  const facts = el('span', {}, el('b', { text: backend }), el('small', { text: key === backend ? '' : (key ?? '') }))
  return el('li', {}, el('i', { 'aria-hidden': 'true' }), facts, el('em'))
}

/** @type {Record<string, string>} */
const states = { asleep: 'off', waking: 'warn', stopping: 'warn', awake: 'good', ready: 'good', failed: 'bad' }

/**
 * @param {HTMLElement} element
 * @param {BackendView} backend
 */
function showBackend(element, { state, sinceMs }) {
  element.dataset['state'] = states[state] ?? 'off'
  const text = element.lastElementChild
  if (text) setText(text, sinceMs === null ? state : `${state} ${span(sinceMs)}`)
}
