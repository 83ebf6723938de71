import type { ConfigSource } from '../config/source.ts'
import type { Failure } from '../fleet/failure.ts'
import { variableFlags } from './arguments.ts'

/** What to say when the gateway could not open. For a port that is taken: which one, and how to choose another. */
export function explainFailure(failure: Failure, source: ConfigSource): string {
  const { code, port } = failure
  if (port === undefined || (code !== 'EADDRINUSE' && code !== 'EACCES')) return failure.message
  const why = code === 'EADDRINUSE' ? 'is taken by another program' : 'may not be bound by this user'
  return `port ${port} ${why}.\n${advice(port, source)}`
}

function advice(port: number, source: ConfigSource): string {
  if (source.kind === 'file') return `Change the address in ${source.path}.`
  if (source.kind !== 'embedded') return `Choose another one with ${portVariables.join(', ')}.`
  const name = Object.entries(source.ports).find(([, known]) => known === port)?.[0] ?? 'admin'
  const flag = `${name}-port`
  return `Choose another one: ${variableFlags[flag]}=${port + 1} npm start (or gateway --${flag} ${port + 1}).`
}

const portVariables = Object.values(variableFlags).filter((name) => name.endsWith('_PORT'))
