import { createHash, timingSafeEqual } from 'node:crypto'

/** Plugins whose proof can be made and checked by who knows the password. */
export const nativePlugin = 'mysql_native_password'
export const sha2Plugin = 'caching_sha2_password'

export type ProofPlugin = typeof nativePlugin | typeof sha2Plugin

export const proofBytes: Readonly<Record<ProofPlugin, number>> = { [nativePlugin]: 20, [sha2Plugin]: 32 }

export function isProofPlugin(plugin: string): plugin is ProofPlugin {
  return plugin === nativePlugin || plugin === sha2Plugin
}

/** What a client that knows the password answers to a scramble. The empty password has the empty proof. */
export function proofFor(plugin: ProofPlugin, password: string, scramble: Buffer): Buffer {
  if (password === '') return Buffer.alloc(0)
  return plugin === nativePlugin ? nativeProof(password, scramble) : sha2Proof(password, scramble)
}

/** Takes as long whether it proves the password or not. */
export function provesPassword(plugin: ProofPlugin, proof: Buffer, password: string, scramble: Buffer): boolean {
  // Clients of caching_sha2_password say a zero byte for the empty password.
  const said = proof.length === 1 && proof[0] === 0 ? proof.subarray(1) : proof
  return sameText(said, proofFor(plugin, password, scramble))
}

/** Compares without telling where they differ. */
export function sameText(one: Buffer | string, other: Buffer | string): boolean {
  return timingSafeEqual(hash('sha256', [Buffer.from(one as string)]), hash('sha256', [Buffer.from(other as string)]))
}

/** SHA1(password) xor SHA1(scramble + SHA1(SHA1(password))). */
function nativeProof(password: string, scramble: Buffer): Buffer {
  const once = hash('sha1', [Buffer.from(password)])
  return xor(once, hash('sha1', [scramble, hash('sha1', [once])]))
}

/** SHA256(password) xor SHA256(SHA256(SHA256(password)) + scramble). */
function sha2Proof(password: string, scramble: Buffer): Buffer {
  const once = hash('sha256', [Buffer.from(password)])
  return xor(once, hash('sha256', [hash('sha256', [once]), scramble]))
}

function hash(algorithm: 'sha1' | 'sha256', parts: readonly Buffer[]): Buffer {
  const made = createHash(algorithm)
  for (const part of parts) made.update(part)
  return made.digest()
}

function xor(one: Buffer, other: Buffer): Buffer {
  return Buffer.from(one.map((byte, i) => byte ^ other[i]!))
}
