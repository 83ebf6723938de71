import type { GuardOptions, Layer } from '../contracts.ts'

// Placeholder until the guard lands: overwrite this file.
export function guard(_options: GuardOptions = {}): Layer {
  return { name: 'guard' }
}
