/** What of an AUTH command tells who wants to log in. The password in it is looked at by nobody but the backend. */
export interface AuthCommand {
  readonly mechanism: string
  /** In base64; `=` is an empty one, undefined = there is none. */
  readonly initial: string | undefined
}

/** `PLAIN AGJvYgBzZWNyZXQ=` (RFC 4954 section 4); undefined when it is not of that form. */
export function parseAuth(argument: string): AuthCommand | undefined {
  const match = /^([A-Za-z0-9_-]{1,20})(?: +(\S+))?$/.exec(argument)
  return match === null ? undefined : { mechanism: match[1]!.toUpperCase(), initial: match[2] }
}

/** The user in a response of PLAIN (RFC 4616 section 2): authorization, user and password between NULs. */
export function plainUser(response: string): string | undefined {
  const [, user] = decode(response)?.split('\0') ?? []
  return nameOf(user)
}

/** The user in the first response of LOGIN. */
export function loginUser(response: string): string | undefined {
  return nameOf(decode(response))
}

/** A name that may be told to a resolver and written to a log. */
function nameOf(user: string | undefined): string | undefined {
  return user !== undefined && /^[^\p{Cc}]{1,255}$/u.test(user) ? user : undefined
}

function decode(response: string): string | undefined {
  return /^[A-Za-z0-9+/]+={0,2}$/.test(response) ? Buffer.from(response, 'base64').toString('utf8') : undefined
}
