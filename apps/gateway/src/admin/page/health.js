import { byId, el, setText } from './dom.js'
import { count, duration } from './format.js'
import { Table } from './table.js'
import { badge } from './wakes.js'

/** @typedef {import('../api/layers.ts').CircuitView} CircuitView */
/** @typedef {import('../api/layers.ts').EndpointView} EndpointView */
/** @typedef {import('../api/operator.ts').OperatorSnapshot} Snapshot */

export class HealthView {
  #circuits = new Table(byId('circuits'), {
    caption: 'Circuits that are not closed',
    empty: 'Every circuit is closed.',
    keyOf: placeOf,
    columns: [
      { title: 'Circuit', class: 'name', make: place },
      { title: 'State', make: () => badge('', ''), update: showCircuit },
      { title: 'Failures', class: 'num', text: ({ failures }) => count(failures) },
      { title: 'Tried in', class: 'num', text: ({ retryInMs }) => (retryInMs > 0 ? duration(retryInMs) : '–') },
    ],
  })
  #endpoints = new Table(byId('endpoints'), {
    caption: 'Endpoints, the unhealthy first',
    empty: 'No endpoint is checked or balanced.',
    keyOf: placeOf,
    columns: [
      { title: 'Endpoint', class: 'name', make: place },
      { title: 'State', make: () => badge('', ''), update: showEndpoint },
      { title: 'Open', class: 'num', text: ({ connections }) => (connections === null ? '–' : count(connections)) },
      { title: 'Latency', class: 'num', text: ({ latencyMs }) => duration(latencyMs) },
    ],
  })

  /** @param {Snapshot} snapshot */
  show({ circuits, endpoints }) {
    this.#circuits.show(circuits.circuits)
    this.#endpoints.show(endpoints)
  }
}

/** @param {{ backend: string, endpoint: string }} row */
function placeOf({ backend, endpoint }) {
  return `${backend}\n${endpoint}`
}

/** @param {{ backend: string, endpoint: string }} row */
function place({ backend, endpoint }) {
  return el('span', {}, el('b', { text: endpoint }), el('small', { text: backend === endpoint ? '' : backend }))
}

/**
 * @param {HTMLElement} cell
 * @param {string} text
 * @param {string} state
 */
function showBadge(cell, text, state) {
  const shown = /** @type {HTMLElement} */ (cell.firstElementChild)
  setText(shown, text)
  shown.dataset['state'] = state
}

/**
 * @param {HTMLElement} cell
 * @param {CircuitView} circuit
 */
function showCircuit(cell, { state }) {
  showBadge(cell, state, state === 'open' ? 'bad' : 'warn')
}

/**
 * @param {HTMLElement} cell
 * @param {EndpointView} endpoint
 */
function showEndpoint(cell, { healthy, lastError, draining, slowStart }) {
  if (healthy === false) showBadge(cell, lastError ?? 'unhealthy', 'bad')
  else if (draining) showBadge(cell, 'draining', 'warn')
  else if (slowStart) showBadge(cell, 'slow start', 'warn')
  else showBadge(cell, healthy === null ? 'in use' : 'healthy', 'good')
}
