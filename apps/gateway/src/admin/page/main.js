import { accessOf, token } from './access.js'
import { drain } from './actions.js'
import { onUnlock, unlock } from './confirm.js'
import { byId, setText } from './dom.js'
import { EventsView } from './events.js'
import { span } from './format.js'
import { HealthView } from './health.js'
import { LatencyView } from './latency.js'
import { OverviewView } from './overview.js'
import { SessionsView } from './sessions.js'
import { Stream } from './stream.js'
import { TenantsView } from './tenants.js'
import { WakesView } from './wakes.js'

/** @typedef {import('../api/operator.ts').OperatorSnapshot} Snapshot */

const overview = new OverviewView()
const events = new EventsView()
const sessions = new SessionsView()
const views = [
  overview,
  new WakesView(),
  new TenantsView((key) => sessions.of(key)),
  new LatencyView(),
  new HealthView(),
]

/** @type {Readonly<Record<string, (data: any) => void>>} */
const messages = {
  history: (history) => isFirst() && overview.past(history),
  snapshot: (/** @type {Snapshot} */ snapshot) => {
    for (const view of views) view.show(snapshot)
  },
  event: (event) => events.add(event),
}

let seen = false

// What is known of the past is not told twice after the connection was lost.
function isFirst() {
  const first = !seen
  seen = true
  return first
}

/**
 * @param {import('./stream.js').LinkState} state
 * @param {number} sinceMs
 * @param {string} why
 */
function showLink(state, sinceMs, why) {
  const link = byId('link')
  link.dataset['state'] = state
  setText(link, { live: 'Live', stale: 'Stale', connecting: 'Connecting', refused: 'Locked' }[state])
  document.body.classList.toggle('stale', state !== 'live')
  showBanner(state === 'live' ? '' : state === 'refused' ? why : silence(sinceMs))
}

/** @param {number} sinceMs */
const silence = (sinceMs) =>
  sinceMs < 2_000 ? '' : `Nothing heard for ${span(sinceMs)}: what you see is old. Trying again.`

/** @param {string} text */
function showBanner(text) {
  const banner = byId('banner')
  if (text !== '') {
    banner.dataset['about'] = 'link'
    banner.hidden = false
    setText(banner, text)
  } else if (banner.dataset['about'] === 'link') {
    banner.dataset['about'] = ''
    banner.hidden = true
  }
}

const stream = new Stream({ message: (event, data) => messages[event]?.(data), state: showLink })

async function showAccess() {
  const access = await accessOf(token.get()).catch(() => undefined)
  const isRight = access?.token === 'right'
  if (access?.token === 'wrong') token.set(null)
  setText(byId('unlock'), isRight ? 'Lock' : 'Unlock')
}

byId('unlock').addEventListener('click', () => {
  if (token.get() === null) return void unlock()
  token.set(null)
  stream.again()
  void showAccess()
})
byId('drain').addEventListener('click', () => void drain())
onUnlock(() => {
  stream.again()
  void showAccess()
})

void showAccess()
stream.start()
