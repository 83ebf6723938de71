import { kill, purge } from './actions.js'
import { byId, el, setText } from './dom.js'
import { bytes, count, rate } from './format.js'
import { SeriesByName } from './series.js'
import { drawSpark, spark } from './spark.js'
import { button, Table } from './table.js'

/** @typedef {import('../api/tenants.ts').TenantView} TenantView */
/** @typedef {import('../api/operator.ts').OperatorSnapshot} Snapshot */

// What the gateway calls all tenants beyond the cap together.
const others = '__other__'

export class TenantsView {
  #rates = new SeriesByName()
  #table

  /** @param {(key: string) => void} showSessions */
  constructor(showSessions) {
    this.#table = new Table(byId('tenants'), {
      caption: 'Tenants, the busiest first',
      empty: 'No tenant was routed to yet.',
      keyOf: (/** @type {TenantView} */ { key }) => key,
      columns: [
        { title: 'Tenant', class: 'name', text: ({ key }) => (key === others ? 'all others' : key) },
        { title: 'Protocols', class: 'opt', text: ({ protocols }) => protocols.join(', ') },
        { title: 'Open', class: 'num', text: ({ connections }) => count(connections) },
        { title: 'Routes / s', class: 'num', text: ({ routeRate }) => rate(routeRate) },
        {
          title: '',
          class: 'plot opt',
          make: spark,
          update: (cell, { key }) => drawSpark(/** @type {Element} */ (cell.firstElementChild), this.#rates.of(key)),
        },
        { title: 'Received', class: 'num opt', text: ({ bytesFromClient }) => bytes(bytesFromClient) },
        { title: 'Sent', class: 'num opt', text: ({ bytesToClient }) => bytes(bytesToClient) },
        { title: '', class: 'act', make: ({ key }) => (key === others ? el('span') : actions(key, showSessions)) },
      ],
    })
  }

  /** @param {Snapshot} snapshot */
  show({ tenants: { tenants, total, complete } }) {
    this.#rates.push(tenants.map(({ key, routeRate }) => [key, routeRate]))
    this.#table.show(tenants)
    const shown = total > tenants.length ? `the ${count(tenants.length)} busiest of ${count(total)}` : ''
    const partly = complete ? '' : 'open sessions are estimated'
    setText(byId('tenants-note'), [shown, partly].filter((fact) => fact !== '').join(', '))
  }
}

/**
 * @param {string} key
 * @param {(key: string) => void} showSessions
 */
const actions = (key, showSessions) =>
  el(
    'span',
    { class: 'actions' },
    button('Sessions', `Show sessions of ${key}`, () => showSessions(key)),
    button('Purge', `Purge ${key}`, () => purge(key)),
    button('Kill', `Kill all sessions of ${key}`, () => kill({ key }, `all sessions of ${key}`)),
  )
