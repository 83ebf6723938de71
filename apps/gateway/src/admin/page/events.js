import { byId, el } from './dom.js'
import { duration, time } from './format.js'

/** @typedef {import('../api/event-log.ts').LoggedEvent} LoggedEvent */
/** @typedef {Readonly<Record<string, any>>} Facts */

const kept = 60

/** What an event says, and how it looks. @type {Readonly<Record<string, (facts: Facts) => [text: string, state: string]>>} */
const texts = {
  'wake-start': ({ backend }) => [`${backend} is being woken`, 'warn'],
  'wake-end': ({ backend, durationMs, error }) =>
    typeof error === 'string'
      ? [`${backend} could not be woken: ${error}`, 'bad']
      : [`${backend} is awake after ${duration(Number(durationMs))}`, 'good'],
  idle: ({ key, idleMs }) => [`${key} has been idle for ${duration(Number(idleMs))}`, 'off'],
  circuit: ({ endpoint, state }) => [`the circuit of ${endpoint} is ${state}`, state === 'closed' ? 'good' : 'bad'],
  health: ({ endpoint, healthy, error }) =>
    healthy === true ? [`${endpoint} is healthy`, 'good'] : [`${endpoint} is unhealthy: ${error ?? 'unknown'}`, 'bad'],
  drain: ({ deadlineMs }) => [`draining, for ${duration(Number(deadlineMs))} at most`, 'warn'],
  reload: ({ ok }) =>
    ok === true ? ['the configuration was read again', 'good'] : ['a reload failed; see the log', 'bad'],
  worker: ({ worker, change }) =>
    change === 'died' ? [`worker ${worker} died`, 'bad'] : [`worker ${worker} serves again`, 'good'],
  operator: ({ action, key, session, listener, killed }) => [
    `operator: ${action} ${key ?? session ?? listener ?? ''} ${killed === undefined ? '' : `(${killed} ended)`}`.trim(),
    'off',
  ],
}

export class EventsView {
  #list = byId('events')

  /** @param {LoggedEvent} event */
  add({ at, kind, facts }) {
    const [text, state] = texts[kind]?.(facts) ?? [kind, 'off']
    const stamp = el('time', { datetime: new Date(at).toISOString(), text: time(at) })
    this.#list.prepend(el('li', { 'data-state': state }, stamp, el('span', { text })))
    while (this.#list.childElementCount > kept) this.#list.lastElementChild?.remove()
    byId('events-empty').hidden = true
  }
}
