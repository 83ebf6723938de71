import { GatewayError, type Metadata } from '@proxy/kernel'
import type { ClientProof } from './client-proof.ts'
import { provesPassword, sameText } from './proofs.ts'

export interface Credential {
  readonly user: string
  readonly password: string
}

/** What a resolver says about the logins of a tenant. */
export interface Credentials {
  /** With which the gateway logs in to the backend. */
  readonly backend: Credential
  /** What a client has to prove. */
  readonly client: Credential
}

/**
 * `metadata.user` and `metadata.password`, and, where clients are to know something else than the backend, `metadata.clientUser` and
 * `metadata.clientPassword`. undefined: the backend asks the client itself. Throws `PROXY_RESOLVE_INTERNAL` for half of it, which would
 * otherwise let in whoever proves less than was meant.
 */
export function credentialsOf(metadata: Metadata): Credentials | undefined {
  const { user, password, clientUser, clientPassword } = metadata
  if (user === undefined || password === undefined) {
    if (clientUser === undefined && clientPassword === undefined) return undefined
    throw incomplete()
  }
  const backend = credential(user, password)
  const separate = clientUser !== undefined || clientPassword !== undefined
  return { backend, client: separate ? credential(clientUser ?? user, clientPassword) : backend }
}

function credential(user: unknown, password: unknown): Credential {
  if (typeof user !== 'string' || typeof password !== 'string') throw incomplete()
  return { user, password }
}

function incomplete(): GatewayError {
  return new GatewayError('PROXY_RESOLVE_INTERNAL', {
    cause: new Error('the credentials in the metadata are incomplete'),
  })
}

/** Throws `PROXY_RESOLVE_FORBIDDEN` unless the client has proven that it knows the credential. */
export function demandProof(proof: ClientProof, user: string, expected: Credential): void {
  const sameUser = sameText(user, expected.user)
  const knows = provesPassword(proof.plugin, proof.response, expected.password, proof.scramble)
  if (!(sameUser && knows)) throw new GatewayError('PROXY_RESOLVE_FORBIDDEN', { message: 'Access denied' })
}
