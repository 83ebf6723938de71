const stored = 'gateway-token'

/** An answer of the API that is a refusal. */
export class Refused extends Error {
  /**
   * @param {number} status
   * @param {string} message
   */
  constructor(status, message) {
    super(message)
    this.status = status
  }
}

/** The token lives as long as the tab, and goes nowhere but into the Authorization header. */
export const token = {
  get: () => sessionStorage.getItem(stored),
  /** @param {string | null} value */
  set(value) {
    if (value === null) sessionStorage.removeItem(stored)
    else sessionStorage.setItem(stored, value)
  },
}

/**
 * @param {string | null} [given]
 * @returns {Record<string, string>}
 */
export const headers = (given = token.get()) => (given === null ? {} : { authorization: `Bearer ${given}` })

/**
 * @param {string} path
 * @param {RequestInit} [init]
 * @returns {Promise<any>} what that path is documented to answer
 */
export async function ask(path, init = {}) {
  const response = await fetch(`/api/v1${path}`, { cache: 'no-store', headers: headers(), ...init })
  if (!response.ok) throw await refusalOf(response)
  return response.json()
}

/**
 * @param {string} path
 * @param {object} body
 * @returns {Promise<any>}
 */
export function act(path, body) {
  const init = {
    method: 'POST',
    headers: { ...headers(), 'content-type': 'application/json' },
    body: JSON.stringify(body),
  }
  return ask(path, init)
}

/** @param {Response} response */
export async function refusalOf(response) {
  const { error, hint } = await response.json().catch(() => ({ error: `the gateway answered ${response.status}` }))
  return new Refused(response.status, [sentence(error), hint].filter((part) => part !== undefined).join(' '))
}

/** @param {string} text */
const sentence = (text) => `${text.charAt(0).toUpperCase()}${text.slice(1)}.`

/**
 * What the holder of a token may do.
 * @param {string | null} given
 * @returns {Promise<import('../access.ts').AccessView>}
 */
export const accessOf = (given) => ask('/access', { headers: headers(given) })
