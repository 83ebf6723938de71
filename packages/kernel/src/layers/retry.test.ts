import { expect, it } from 'vitest'
import { dialledTo, dialRequest } from '../__fixtures__/layers.ts'
import { never } from '../__fixtures__/request.ts'
import { formatAddress } from '../address.ts'
import type { Dial, Dialled, DialRequest } from '../contracts.ts'
import { type ErrorCode, GatewayError } from '../errors.ts'
import { type RetryOptions, retry } from './retry.ts'

const three = { endpoint: ['a:1', 'b:2', 'c:3'] }
const code = (name: ErrorCode): unknown => expect.objectContaining({ code: name })

function dialThrough(base: Dial, options?: RetryOptions): Dial {
  const dial = retry(options).dial?.(base)
  if (dial === undefined) throw new Error('no dial')
  return dial
}

function retrying(outcomes: readonly (ErrorCode | undefined)[], options?: RetryOptions) {
  const tried: string[] = []
  const base: Dial = async (request) => {
    tried.push(formatAddress(request.endpoint))
    const outcome = outcomes[tried.length - 1]
    if (outcome !== undefined) throw new GatewayError(outcome)
    return dialledTo(request)
  }
  const dial = (more: Partial<DialRequest> = {}, signal = never, resolution = three): Promise<Dialled> =>
    dialThrough(base, options)(dialRequest(resolution, more), signal)
  return { tried, dial }
}

it('moves on to the other endpoints in order until one answers', async () => {
  const { tried, dial } = retrying(['PROXY_DIAL_REFUSED', 'PROXY_DIAL_TIMEOUT'])
  expect(await dial()).toMatchObject({ endpoint: { host: 'c' } })
  expect(tried).toEqual(['a:1', 'b:2', 'c:3'])
})

it('begins with the endpoint it was asked for', async () => {
  const { tried, dial } = retrying(['PROXY_DIAL_REFUSED', 'PROXY_DIAL_DNS'])
  const request = dialRequest(three)
  await dial({ backend: request.backend, endpoint: request.backend.endpoints[1] ?? request.endpoint })
  expect(tried).toEqual(['b:2', 'c:3', 'a:1'])
})

it('throws the last error when every endpoint failed', async () => {
  const { tried, dial } = retrying(['PROXY_DIAL_REFUSED', 'PROXY_DIAL_REFUSED', 'PROXY_DIAL_UNREACHABLE'])
  await expect(dial()).rejects.toEqual(code('PROXY_DIAL_UNREACHABLE'))
  expect(tried).toHaveLength(3)
})

it.each(['PROXY_DIAL_FORBIDDEN', 'PROXY_DIAL_LOOP', 'PROXY_BACKEND_TLS'] as const)(
  'does not retry %s',
  async (error) => {
    const { tried, dial } = retrying([error])
    await expect(dial()).rejects.toEqual(code(error))
    expect(tried).toEqual(['a:1'])
  },
)

it('does not retry what is no error of ours', async () => {
  const dial = dialThrough(async () => {
    throw new TypeError('bug')
  })
  await expect(dial(dialRequest(three), never)).rejects.toThrow('bug')
})

it('stops when the client has left', async () => {
  const gone = new AbortController()
  gone.abort()
  const { tried, dial } = retrying(['PROXY_DIAL_REFUSED'])
  await expect(dial({}, gone.signal)).rejects.toEqual(code('PROXY_DIAL_REFUSED'))
  expect(tried).toHaveLength(1)
})

it('keeps to its attempts, and goes round when they are more than the endpoints', async () => {
  const few = retrying(['PROXY_DIAL_REFUSED', 'PROXY_DIAL_REFUSED'], { attempts: 2 })
  await expect(few.dial()).rejects.toEqual(code('PROXY_DIAL_REFUSED'))
  expect(few.tried).toEqual(['a:1', 'b:2'])
  const many = retrying(['PROXY_DIAL_REFUSED', 'PROXY_DIAL_REFUSED'], { attempts: 3 })
  await many.dial({}, never, { endpoint: ['only:1'] })
  expect(many.tried).toEqual(['only:1', 'only:1', 'only:1'])
})

it('leaves the address to the guard for every endpoint', async () => {
  const addresses: unknown[] = []
  const dial = dialThrough(async (request) => {
    addresses.push(request.address)
    throw new GatewayError('PROXY_DIAL_REFUSED')
  })
  await expect(dial(dialRequest(three, { address: '8.8.8.8' }), never)).rejects.toEqual(code('PROXY_DIAL_REFUSED'))
  expect(addresses).toEqual([undefined, undefined, undefined])
})

it.each([0, -1, 1.5, Number.NaN])('refuses %d attempts', (attempts) => {
  expect(() => retry({ attempts })).toThrowError(code('PROXY_CONFIG_INVALID'))
})
