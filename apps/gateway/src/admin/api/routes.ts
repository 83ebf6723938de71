import type { IncomingMessage } from 'node:http'
import type { SessionFilter } from '@proxy/kernel'
import type { Access } from '../access.ts'
import { type Answer, json, problem } from '../answer.ts'
import { type Json, recordOf } from './json.ts'
import type { Operator } from './operator.ts'

/** Of what is asked, the part that a route needs. */
export interface Question {
  readonly request: IncomingMessage
  readonly operator: Operator
  readonly access: Access
  readonly query: URLSearchParams
}

type Read = (question: Question) => Promise<Answer> | Answer
type Act = (operator: Operator, body: Json) => Promise<Answer> | Answer

export const apiPrefix = '/api/v1'

const mostRows = 500

/** Tells a page what its reader may do; needs no token, since it says nothing else. */
export const accessPath: string = `${apiPrefix}/access`

export const eventsPath: string = `${apiPrefix}/events`

/** GET; `/events` beside them. */
export const reads: Readonly<Record<string, Read>> = {
  [accessPath]: ({ access, request }) => json(access.view(request)),
  [`${apiPrefix}/overview`]: async ({ operator }) => json(await operator.overview()),
  [`${apiPrefix}/tenants`]: async ({ operator, query }) => {
    const order = query.get('order') ?? 'connections'
    if (order !== 'connections' && order !== 'rate') return problem(400, 'order is connections or rate')
    return withLimit(query, async (limit) => json(await operator.tenants(order, limit)))
  },
  [`${apiPrefix}/sessions`]: ({ operator, query }) =>
    withLimit(query, async (limit) => json({ sessions: await operator.sessions(filterOf(query), limit) })),
  [`${apiPrefix}/cold-starts`]: async ({ operator }) => json(await operator.coldStarts()),
  [`${apiPrefix}/circuits`]: async ({ operator }) => json(await operator.circuits()),
  [`${apiPrefix}/endpoints`]: async ({ operator }) => json(await operator.endpoints()),
  [`${apiPrefix}/backends`]: async ({ operator }) => json(await operator.backends()),
  [`${apiPrefix}/latency`]: async ({ operator }) => json(await operator.latency()),
}

/** POST, with the token. */
export const acts: Readonly<Record<string, Act>> = {
  [`${apiPrefix}/drain`]: (operator, { confirm }) => {
    if (confirm !== 'drain') return problem(400, 'say that you mean it', 'Send {"confirm": "drain"}.')
    operator.drain()
    return json({ draining: true }, 202)
  },
  [`${apiPrefix}/purge`]: async (operator, { key }) => {
    if (typeof key !== 'string' || key === '') return problem(400, 'key is missing', 'Send {"key": "..."}.')
    return json({ key, workers: await operator.purge(key) })
  },
  [`${apiPrefix}/kill`]: async (operator, body) => {
    const filter = killFilterOf(body)
    if (filter === undefined) return problem(400, 'which sessions?', 'Send one of "session", "key" and "listener".')
    return json({ killed: await operator.kill(filter) })
  },
}

const defaultRows = 100

function withLimit(query: URLSearchParams, answer: (limit: number) => Promise<Answer>): Promise<Answer> | Answer {
  const limit = Number(query.get('limit') ?? defaultRows)
  if (Number.isInteger(limit) && limit >= 1 && limit <= mostRows) return answer(limit)
  return problem(400, `limit is a whole number from 1 to ${mostRows}`)
}

const filters = ['session', 'key', 'listener'] as const

function filterOf(query: URLSearchParams): SessionFilter {
  const given = filters.filter((name) => (query.get(name) ?? '') !== '')
  return Object.fromEntries(given.map((name) => [name, query.get(name)!]))
}

/** Exactly one: nobody ends everything by leaving something out. */
function killFilterOf(body: Json): SessionFilter | undefined {
  const given = filters.filter((name) => typeof body[name] === 'string' && body[name] !== '')
  const [name] = given
  return given.length === 1 && name !== undefined ? { [name]: body[name] } : undefined
}

const mostBodyBytes = 4_096

type Body = { readonly json: Json } | { readonly problem: Answer }

/** The JSON object of a request, or what is wrong with it. */
export async function bodyOf(request: IncomingMessage): Promise<Body> {
  if (request.headers['content-type']?.split(';', 1)[0]?.trim() !== 'application/json') {
    return { problem: problem(415, 'the body must be JSON', 'Send Content-Type: application/json.') }
  }
  const chunks: Buffer[] = []
  let bytes = 0
  // Whoever sends too much is still told so.
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > mostBodyBytes) return { problem: problem(413, `the body is larger than ${mostBodyBytes} bytes`) }
    chunks.push(chunk)
  }
  return parsed(Buffer.concat(chunks).toString())
}

function parsed(body: string): Body {
  try {
    return { json: recordOf(JSON.parse(body)) }
  } catch {
    return { problem: problem(400, 'the body is not JSON') }
  }
}
