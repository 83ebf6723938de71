import { expect, test } from 'vitest'
import { parseH2load } from './h2load.ts'

const printed = (requests: string, statuses: string): string => `
finished in 1.01s, 69899.00 req/s, 3.01MB/s
requests: ${requests}
status codes: ${statuses}
traffic: 3.04MB (3188416) total, 682.6KB (698990) headers (space savings 94.74%), 887.4KB (908687) data
`
const good = '69899 total, 70027 started, 69899 done, 69899 succeeded, 0 failed, 0 errored, 0 timeout'

test('what h2load prints is read', () => {
  const report = parseH2load(printed(good, '69899 2xx, 0 3xx, 0 4xx, 0 5xx'))
  expect(report).toEqual({ requests: 69_899, seconds: 1.01, bytes: 908_687 })
})

test.each([
  ['an answer that is no success', good, '69898 2xx, 0 3xx, 0 4xx, 1 5xx', /1 answers were 5xx/],
  ['no answer at all', good, '0 2xx, 0 3xx, 0 4xx, 0 5xx', /nothing was answered/],
  ['a failure', good.replace('0 failed', '3 failed'), '69899 2xx, 0 3xx, 0 4xx, 0 5xx', /3 requests failed/],
  ['something else', 'none', '', /printed nothing like/],
])('%s is no figure', (_name, requests, statuses, error) => {
  expect(() => parseH2load(printed(requests, statuses))).toThrow(error)
})
