import { accessOf, act, Refused, token } from './access.js'
import { byId, setText } from './dom.js'

const dialog = /** @type {HTMLDialogElement} */ (byId('ask'))
const input = /** @type {HTMLInputElement} */ (byId('ask-token'))
const ok = /** @type {HTMLButtonElement} */ (byId('ask-ok'))

// A submit button it must not be: Enter presses the first of those.
byId('ask-cancel').addEventListener('click', () => dialog.close('cancel'))

/**
 * @typedef {object} Question
 * @property {string} title
 * @property {string} text
 * @property {string} ok what the button says
 * @property {boolean} [danger]
 * @property {string} [error]
 */

/** @type {() => void} */
let unlocked = () => {}

/**
 * Called when another token was taken.
 * @param {() => void} listener
 */
export function onUnlock(listener) {
  unlocked = listener
}

/**
 * Shows a dialog; true: the reader agreed.
 * @param {Question} question
 * @param {boolean} withToken
 * @returns {Promise<boolean>}
 */
function shown(question, withToken) {
  setText(byId('ask-title'), question.title)
  setText(byId('ask-text'), question.text)
  setText(byId('ask-error'), question.error ?? '')
  setText(ok, question.ok)
  ok.classList.toggle('danger', question.danger === true)
  byId('ask-label').hidden = !withToken
  input.required = withToken
  input.value = ''
  dialog.returnValue = 'cancel'
  dialog.showModal()
  const first = withToken ? input : ok
  first.focus()
  return new Promise((resolve) => {
    dialog.addEventListener('close', () => resolve(dialog.returnValue === 'ok'), { once: true })
  })
}

/** Asks for the token until it is right or the reader has had enough; true: it is right. */
export async function unlock() {
  const text = 'The token of the admin listener. It is kept until this tab is closed.'
  let error = ''
  for (;;) {
    const agreed = await shown({ title: 'Unlock', text, ok: 'Unlock', error }, true)
    const given = input.value
    input.value = ''
    if (!agreed) return false
    const { token: state } = await accessOf(given).catch(() => ({ token: 'unreachable' }))
    if (state === 'right') {
      token.set(given)
      unlocked()
      return true
    }
    error = refusals[state] ?? 'The gateway did not answer.'
  }
}

/** @type {Record<string, string>} */
const refusals = {
  wrong: 'This is not the token.',
  missing: 'This is not the token.',
  'not configured': 'No token is configured: set admin.token in the configuration, or ADMIN_TOKEN in the environment.',
}

/** @param {string} text */
export function say(text) {
  byId('said').textContent = text
  const banner = byId('banner')
  if (banner.dataset['about'] === 'link') return
  banner.dataset['about'] = 'action'
  banner.hidden = false
  setText(banner, text)
  setTimeout(() => {
    if (banner.dataset['about'] === 'action' && banner.textContent === text) banner.hidden = true
  }, 8_000)
}

/**
 * Confirms, acts, and says what came of it. Without a token it asks for one first.
 * @param {Question} question
 * @param {string} path
 * @param {object} body
 * @param {(answer: any) => string} done
 */
export async function confirmed(question, path, body, done) {
  if (token.get() === null && !(await unlock())) return
  if (!(await shown(question, false))) return
  try {
    say(done(await act(path, body)))
  } catch (error) {
    if (error instanceof Refused && error.status === 401) token.set(null)
    say(error instanceof Refused ? error.message : 'The gateway did not answer.')
    unlocked()
  }
}
