import { domainToASCII } from 'node:url'
import type { KeySource } from './options.ts'

/** How far a session has come. */
export type Stage = 'helo' | 'auth' | 'mail' | 'rcpt'

/** What is known of a session so far, as keys. */
export interface Facts extends Readonly<Partial<Record<KeySource, string | undefined>>> {
  /** TLS may still begin, and bring a server name. */
  readonly maySecure?: boolean | undefined
}

/** The key, `later` when a better source may still speak, undefined when none will name one. */
export function keyAt(
  stage: Stage,
  facts: Facts,
  sources: readonly KeySource[],
): { readonly key: string } | 'later' | undefined {
  for (const source of sources) {
    const key = facts[source]
    if (key !== undefined) return { key }
    if (mayStillSpeak(source, stage, facts)) return 'later'
  }
  return undefined
}

function mayStillSpeak(source: KeySource, stage: Stage, facts: Facts): boolean {
  if (source === 'recipient') return stage !== 'rcpt'
  return stage === 'helo' && (source === 'user' || (source === 'sni' && facts.maySecure === true))
}

/** A domain as a key: lower case, without trailing dot, in its ASCII form. An address literal is none. */
export function domainKey(domain: string): string | undefined {
  const name = domain.endsWith('.') ? domain.slice(0, -1) : domain
  const ascii = isAscii(name) ? name.toLowerCase() : domainToASCII(name)
  return /^[a-z0-9_]([a-z0-9_.-]{0,253}[a-z0-9_])?$/.test(ascii) && !ascii.includes('..') ? ascii : undefined
}

/** The domain in `TO:<bob@alpha.example> NOTIFY=NEVER`, source routes and quoted local parts included. */
export function recipientKey(argument: string): string | undefined {
  const path = pathOf(argument, 'TO:')
  const at = path?.lastIndexOf('@') ?? -1
  return at < 0 ? undefined : domainKey(path!.slice(at + 1))
}

/** What stands between the brackets behind `TO:` or `FROM:`; undefined when there are none. */
export function pathOf(argument: string, prefix: 'TO:' | 'FROM:'): string | undefined {
  if (argument.slice(0, prefix.length).toUpperCase() !== prefix) return undefined
  const match = /^ *<((?:[^"<>\\]|\\.|"(?:[^"\\]|\\.)*")*)>(?: |$)/su.exec(argument.slice(prefix.length))
  return match?.[1]
}

/** The domain of `bob@alpha.example`; of other names what follows the last dot: `alpha` of `bob.alpha`. */
export function userKey(user: string): string | undefined {
  const at = user.lastIndexOf('@')
  if (at > 0) return domainKey(user.slice(at + 1))
  const dot = user.lastIndexOf('.')
  return dot > 0 ? domainKey(user.slice(dot + 1)) : undefined
}

function isAscii(text: string): boolean {
  return /^[\x20-\x7e]*$/.test(text)
}
