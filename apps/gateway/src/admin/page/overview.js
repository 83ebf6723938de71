import { kill } from './actions.js'
import { byId, el, setText } from './dom.js'
import { bytes, count, percent, rate, span } from './format.js'
import { Series, SeriesByName } from './series.js'
import { drawSpark, spark } from './spark.js'
import { button, Table } from './table.js'

/** @typedef {import('../api/operator.ts').OperatorSnapshot} Snapshot */
/** @typedef {import('../api/rates.ts').HistoryPoint} HistoryPoint */
/** @typedef {import('../api/overview.ts').ListenerView} ListenerView */
/** @typedef {import('../api/overview.ts').WorkerView} WorkerView */

/**
 * @typedef {object} Tile
 * @property {string} title
 * @property {(snapshot: Snapshot) => number} value
 * @property {(value: number) => string} text
 * @property {boolean} [alarming] more than none is worth a look
 */

/** @type {readonly Tile[]} */
const tiles = [
  { title: 'Connections', value: ({ overview }) => overview.connections, text: count },
  { title: 'New per second', value: ({ overview }) => overview.rates.accepted, text: rate },
  { title: 'Requests per second', value: ({ overview }) => overview.rates.requests, text: rate },
  { title: 'Waiting for a wake', value: ({ coldStarts }) => coldStarts.waiting, text: count },
  { title: 'Circuits open', value: ({ circuits }) => circuits.open + circuits.halfOpen, text: count, alarming: true },
  {
    title: 'Unhealthy endpoints',
    value: ({ endpoints }) => endpoints.filter(({ healthy }) => healthy === false).length,
    text: count,
    alarming: true,
  },
]

export class OverviewView {
  #tiles = tiles.map((tile) => newTile(tile))
  #rates = new SeriesByName()
  #listeners
  #workers

  constructor() {
    byId('tiles').append(...this.#tiles.map(({ element }) => element))
    this.#listeners = new Table(byId('listeners'), {
      caption: 'Listeners with their connections and rates',
      empty: 'There is no listener.',
      keyOf: ({ name }) => name,
      columns: [
        { title: 'Listener', class: 'name', make: listenerName },
        { title: 'Open', class: 'num', text: ({ connections }) => count(connections) },
        { title: 'Per second', class: 'num', text: (listener) => rate(activity(listener)) },
        { title: 'Traffic', class: 'num', text: ({ byteRate }) => `${bytes(byteRate)}/s` },
        {
          title: '',
          class: 'plot opt',
          make: spark,
          update: (cell, { name }) => drawSpark(/** @type {Element} */ (cell.firstElementChild), this.#rates.of(name)),
        },
        { title: 'Refused', class: 'num opt', text: ({ refused }) => count(refused) },
        {
          title: '',
          class: 'act',
          make: ({ name }) =>
            button('Kill', `Kill all sessions of listener ${name}`, () =>
              kill({ listener: name }, `all sessions of ${name}`),
            ),
        },
      ],
    })
    this.#workers = new Table(byId('workers'), {
      caption: 'Worker processes',
      empty: 'No worker serves.',
      keyOf: ({ worker }) => String(worker),
      columns: workerColumns,
    })
  }

  /** @param {readonly HistoryPoint[]} history */
  past(history) {
    for (const { byteRates } of history) this.#rates.push(Object.entries(byteRates))
    const sums = history.map(({ connections }) => Object.values(connections).reduce((sum, value) => sum + value, 0))
    for (const sum of sums) this.#tiles[0]?.series.push(sum)
  }

  /** @param {Snapshot} snapshot */
  show(snapshot) {
    const { overview } = snapshot
    for (const tile of this.#tiles) showTile(tile, snapshot)
    this.#rates.push(overview.listeners.map((listener) => [listener.name, listener.byteRate]))
    this.#listeners.show(overview.listeners)
    this.#workers.show(overview.workers)
    setText(byId('phase'), overview.phase)
    byId('phase').dataset['state'] = overview.phase === 'open' ? 'good' : 'warn'
    setText(byId('version'), overview.version)
    setText(byId('uptime'), `up ${span(overview.uptimeMs)}`)
    setText(byId('workers-note'), workersNote(overview))
  }
}

/** @param {ListenerView} listener */
const activity = ({ acceptedRate, requestRate, protocol }) =>
  protocol.startsWith('http') || requestRate > 0 ? requestRate : acceptedRate

/** @param {ListenerView} listener */
function listenerName({ name, protocol, address }) {
  const place = `${address.host.includes(':') ? `[${address.host}]` : address.host}:${address.port}`
  const note = protocol === name ? place : `${protocol} ${place}`
  return el('span', {}, el('b', { text: name }), el('small', { text: note }))
}

/** @type {readonly import('./table.js').Column<WorkerView>[]} */
const workerColumns = [
  { title: 'Worker', text: ({ worker }) => (worker === 0 ? 'single' : String(worker)) },
  { title: 'Process', class: 'num', text: ({ pid }) => String(pid) },
  { title: 'Sessions', class: 'num', text: ({ connections }) => count(connections) },
  { title: 'CPU', class: 'num', text: ({ cpu }) => (cpu === null ? '–' : percent(cpu)) },
  { title: 'Memory', class: 'num', text: ({ residentBytes }) => bytes(residentBytes) },
]

/** @param {Snapshot['overview']} overview */
function workersNote({ transport, restarts, reloads }) {
  const facts = [
    transport,
    restarts > 0 ? `${count(restarts)} restarted` : '',
    reloads.ok > 0 ? `${count(reloads.ok)} reloads` : '',
    reloads.failed > 0 ? `${count(reloads.failed)} failed reloads` : '',
  ]
  return facts.filter((fact) => fact !== '').join(', ')
}

/** @param {Tile} tile */
function newTile(tile) {
  const [value, plot] = [el('dd', { text: '–' }), spark()]
  const element = el('div', { class: 'tile' }, el('dt', { text: tile.title }), value, plot)
  return { tile, element, value, plot, series: new Series() }
}

/**
 * @param {ReturnType<typeof newTile>} shown
 * @param {Snapshot} snapshot
 */
function showTile({ tile, element, value, plot, series }, snapshot) {
  const number = tile.value(snapshot)
  series.push(number)
  setText(value, tile.text(number))
  drawSpark(plot, series.values)
  element.classList.toggle('alarm', tile.alarming === true && number > 0)
}
