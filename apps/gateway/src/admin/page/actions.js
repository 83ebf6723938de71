import { confirmed } from './confirm.js'
import { count } from './format.js'

/** @param {number} sessions */
const sessions = (sessions) => (sessions === 1 ? '1 session' : `${count(sessions)} sessions`)

/**
 * @param {{ session?: string, key?: string, listener?: string }} filter exactly one
 * @param {string} what
 */
export function kill(filter, what) {
  const text = 'Each client gets its protocol’s own error, where one can still be sent. Work that is under way is lost.'
  return confirmed(
    { title: `Kill ${what}?`, text, ok: 'Kill', danger: true },
    '/kill',
    filter,
    (/** @type {{ killed: number }} */ { killed }) => `${sessions(killed)} ended.`,
  )
}

/** @param {string} key */
export function purge(key) {
  const text = 'What is cached of its route is forgotten in every worker. Open sessions go on; the next one asks anew.'
  return confirmed(
    { title: `Purge ${key}?`, text, ok: 'Purge' },
    '/purge',
    { key },
    (/** @type {{ workers: number }} */ { workers }) =>
      `${key} is forgotten in ${workers === 1 ? '1 worker' : `${workers} workers`}.`,
  )
}

export function drain() {
  const text =
    'The whole gateway stops taking connections, lets sessions finish until the deadline, and exits. This page ends with it.'
  return confirmed(
    { title: 'Drain the gateway?', text, ok: 'Drain', danger: true },
    '/drain',
    { confirm: 'drain' },
    () => 'The gateway drains.',
  )
}
