import type { Disposer } from './contracts.ts'
import type { Hooks } from './hooks.ts'

/** Calls into a plugin where its failure must harm nobody else: what it throws is reported, and that is all. */
export function attempt(hooks: Hooks, source: string, call: () => void): void {
  try {
    call()
  } catch (error) {
    hooks.emit('gateway:error', { source, error })
  }
}

/** Runs the disposers, the latest first. One that fails keeps none of the others from running. */
export function disposeAll(hooks: Hooks, disposers: Disposer[]): void {
  for (const dispose of disposers.splice(0).reverse()) attempt(hooks, 'disposer', dispose)
}
