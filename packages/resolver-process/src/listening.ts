import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseAddress } from '@proxy/kernel'

const firstPauseMs = 10
const longestPauseMs = 250
const connectTimeoutMs = 2_000

/** Settles when the endpoint takes connections; rejects with the signal's reason. */
export async function listening(endpoint: string, signal: AbortSignal): Promise<void> {
  const { host, port } = parseAddress(endpoint)
  for (let pauseMs = firstPauseMs; !(await accepts(host, port)); pauseMs = Math.min(longestPauseMs, pauseMs * 2)) {
    await sleep(pauseMs, undefined, { signal }).catch(() => undefined)
    signal.throwIfAborted()
  }
}

function accepts(host: string, port: number): Promise<boolean> {
  const socket = connect({ host, port, timeout: connectTimeoutMs })
  return new Promise((resolve) => {
    const end = (accepted: boolean): void => {
      socket.destroy()
      resolve(accepted)
    }
    socket.once('connect', () => end(true))
    socket.once('timeout', () => end(false))
    socket.on('error', () => end(false))
  })
}
