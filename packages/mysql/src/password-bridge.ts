import { constants, generateKeyPair, privateDecrypt, publicEncrypt } from 'node:crypto'
import { promisify } from 'node:util'
import { GatewayError } from '@proxy/kernel'
import type { MysqlSettings } from './options.ts'
import { replies } from './wire.ts'

export const cachingSha2 = 'caching_sha2_password'

/** What a client without TLS sends in place of a password: it asks for the server's public key. */
export const keyRequests: Readonly<Record<string, number>> = { [cachingSha2]: 2, sha256_password: 1 }

/** Plugins that send the password as it is, and know nothing else. */
const clearPlugins: readonly string[] = ['mysql_clear_password', 'dialog', 'authentication_pam']

/** How far a password is protected on its way, as both ends see it. */
export interface Protection {
  /** The client asked for TLS in-band: it sends readable passwords to us. */
  readonly client: boolean
  /** The backend was asked for TLS in-band: it expects readable passwords from us. */
  readonly backend: boolean
  /** Nobody reads along on the way to the backend, whatever the backend knows of it. */
  readonly backendEncrypted: boolean
}

/** The ways in which passwords cross from one kind of connection to the other. */
export type Crossing = 'none' | 'encrypt' | 'decrypt'

/**
 * What has to be done to a password for this plugin. Throws `PROXY_UNSUPPORTED` where that is not allowed. `caching_sha2_password`
 * is asked about only when the backend wants the whole password.
 */
export function crossingFor(
  plugin: string,
  { client, backend, backendEncrypted }: Protection,
  policy: MysqlSettings['passwordBridge'],
): Crossing {
  if (clearPlugins.includes(plugin)) {
    if (client && !backendEncrypted && policy !== 'allow') throw unprotected()
    return 'none'
  }
  if (client === backend || !(plugin in keyRequests)) return 'none'
  if (policy === 'refuse') throw client ? unprotected() : readable()
  return client ? 'encrypt' : 'decrypt'
}

function unprotected(): GatewayError {
  return new GatewayError('PROXY_UNSUPPORTED', {
    message: 'The backend wants the password itself, and is connected without TLS',
    hint: 'Connect the backend with TLS, or see the option passwordBridge of the gateway.',
  })
}

function readable(): GatewayError {
  return new GatewayError('PROXY_UNSUPPORTED', {
    message: 'The backend, connected with TLS, wants the password itself, and this client has no TLS to send it',
    hint: 'Connect with TLS, or see the option passwordBridge of the gateway.',
  })
}

/** The password as the backend can decrypt it: masked with its scramble, then RSA-OAEP (caching_sha2, sha256). */
export function encryptPassword(password: Buffer, scramble: Buffer, publicKeyReply: Buffer): Buffer {
  if (publicKeyReply[0] !== replies.moreData) throw new GatewayError('PROXY_BACKEND_PROTOCOL')
  const key = { key: publicKeyReply.subarray(1), padding: constants.RSA_PKCS1_OAEP_PADDING }
  try {
    return publicEncrypt(key, masked(password, scramble))
  } catch (cause) {
    throw new GatewayError('PROXY_BACKEND_PROTOCOL', { cause })
  }
}

function masked(bytes: Buffer, scramble: Buffer): Buffer {
  if (scramble.length === 0) throw new GatewayError('PROXY_BACKEND_PROTOCOL')
  return Buffer.from(bytes.map((byte, i) => byte ^ scramble[i % scramble.length]!))
}

/** A key pair for clients without TLS. */
export interface RsaKey {
  readonly publicPem: string
  readonly privatePem: string
}

export async function mintRsaKey(): Promise<RsaKey> {
  const { publicKey, privateKey } = await promisify(generateKeyPair)('rsa', {
    modulusLength: 2_048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  })
  return { publicPem: publicKey, privatePem: privateKey }
}

/** What the client has encrypted for us, with its closing zero byte. Throws `PROXY_MALFORMED`. */
export function decryptPassword(secret: Buffer, scramble: Buffer, { privatePem }: RsaKey): Buffer {
  try {
    const key = { key: privatePem, padding: constants.RSA_PKCS1_OAEP_PADDING }
    return masked(privateDecrypt(key, secret), scramble)
  } catch (cause) {
    throw new GatewayError('PROXY_MALFORMED', { cause })
  }
}
