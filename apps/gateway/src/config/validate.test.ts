import { describe, expect, it } from 'vitest'
import { describeProblem } from './problems.ts'
import { validate } from './validate.ts'

const fine = { listeners: [{ address: '127.0.0.1:0', protocol: 'http' }], resolver: { fixed: 'a:1' } }
const problems = (config: unknown): string[] => validate(config).map(describeProblem)
const listener = (more: Record<string, unknown>): unknown => ({
  ...fine,
  listeners: [{ address: '127.0.0.1:0', protocol: 'http', ...more }],
})

describe('validate', () => {
  it.each([
    { protocol: 'mongodb', tls: { mode: 'negotiated', cert: 'c', key: 'k' } },
    { protocol: 'mongodb', tls: { mode: 'passthrough' } },
    { protocol: 'smtp', tls: { mode: 'passthrough' } },
  ])('accepts %j', (one) => {
    expect(problems(listener(one))).toEqual([])
  })

  it('accepts every form of a configuration', () => {
    expect(problems(fine)).toEqual([])
    const protocol = { api: 1, name: 'x', speaksFirst: 'client', serve: () => Promise.resolve() }
    const full = {
      listeners: [
        { address: 8080, protocol: ['http', protocol], name: 'web', idleTimeoutMs: 0, limits: { maxConnections: 5 } },
        { address: '[::1]:5432', protocol: 'postgresql', options: { keys: ['sni'] }, tls: { cert: 'c', key: 'k' } },
        { address: ':3306', protocol: 'mysql', options: { keys: ['user'], node: 3 }, tls: { cert: 'c', key: 'k' } },
        { address: ':27017', protocol: 'mongodb', options: { wireVersions: { min: 0, max: 8 } } },
        { address: ':25', protocol: 'smtp', options: { keys: ['recipient'], hostname: 'mx.test', idleTimeoutMs: 5 } },
        { address: ':6379', protocol: 'redis', options: { key: 'cache' }, proxyProtocol: { trusted: ['10.0.0.0/8'] } },
      ],
      resolver: () => 'a:1',
      layers: [{ name: 'mine' }],
      cache: { ttlMs: 5 },
      coldStart: { patienceMs: { http: 0 }, maxWaitingBytes: 1_024, maxDials: 1 },
      idle: { afterMs: 1 },
      limits: { maxConnectionsPerKey: 10 },
      balance: { policy: 'p2c', slowStartMs: 0 },
      retry: true,
      breaker: { failures: 3 },
      health: { intervalMs: 1_000, maxEjectedShare: 0.3, singleEndpoints: true },
      guard: { allow: ['10.0.0.0/8 5432'] },
      admin: { address: 9901, maxTenants: 10 },
      workers: 'auto',
      log: { level: 'debug', pretty: false },
      drain: { delayMs: 1, deadlineMs: 2 },
    }
    expect(problems(full)).toEqual([])
  })

  it('says that it is no configuration at all', () => {
    expect(problems(undefined)).toEqual(['must be an object. Try defineGateway({ ... }).'])
    expect(problems([])).toEqual(['must be an object. Try defineGateway({ ... }).'])
  })

  it.each([
    [{ ...fine, listners: [] }, 'listners: is not a known key. Did you mean "listeners"?'],
    [listener({ adress: 1 }), 'listeners[0].adress: is not a known key. Did you mean "address"?'],
    [listener({ protocol: 'htttp' }), 'listeners[0].protocol: "htttp" is no protocol. Did you mean "http"?'],
    [
      listener({ protocol: ['http', 'redsi'] }),
      'listeners[0].protocol[1]: "redsi" is no protocol. Did you mean "redis"?',
    ],
    [
      listener({ options: { poolsize: 1 } }),
      'listeners[0].options.poolsize: is not a known key. Did you mean "poolSize"?',
    ],
    [listener({ options: { poolSize: 'x' } }), 'listeners[0].options.poolSize: must be a number, not "x".'],
    [listener({ options: { poolSize: 0 } }), 'listeners[0].options.poolSize: must be at least 1, not 0.'],
    [
      listener({ tls: { mode: 'implict', cert: 'c', key: 'k' } }),
      'listeners[0].tls.mode: must be one of off, implicit, negotiated, passthrough, not "implict". Did you mean "implicit"?',
    ],
    [
      listener({ protocol: 'mysql', options: { serverversion: 'x' } }),
      'listeners[0].options.serverversion: is not a known key. Did you mean "serverVersion"?',
    ],
    [
      listener({ protocol: 'mysql', options: { features: ['deprecateEOF'] } }),
      /^listeners\[0\]\.options\.features\[0\]: must be one of deprecateEof, .* Did you mean "deprecateEof"\?$/,
    ],
    [
      listener({ protocol: 'mongodb', options: { wireVersions: { min: 0 } } }),
      'listeners[0].options.wireVersions.max: is missing: it must be a number.',
    ],
    [
      listener({ protocol: 'smtp', options: { keys: ['ehlo'] } }),
      'listeners[0].options.keys[0]: must be one of helo, recipient, user, sni, not "ehlo". Did you mean "helo"?',
    ],
    [
      listener({ protocol: 'mysql', tls: { mode: 'passthrough' } }),
      'listeners[0].tls.mode: mysql cannot do passthrough. It can do negotiated, implicit.',
    ],
    [
      listener({ protocol: 'http', tls: { mode: 'negotiated', cert: 'c', key: 'k' } }),
      'listeners[0].tls.mode: http cannot do negotiated. It can do implicit.',
    ],
    [
      listener({ protocol: ['postgres', 'mysql'] }),
      'listeners[0].protocol[1]: mysql speaks first and cannot share a port. Give it a listener of its own.',
    ],
    [
      listener({ protocol: ['smtp', 'http'] }),
      'listeners[0].protocol[0]: smtp speaks first and cannot share a port. Give it a listener of its own.',
    ],
    [listener({ tls: { cert: 'c' } }), 'listeners[0].tls.key: is missing: certificate and key go together.'],
    [listener({ tls: {} }), 'listeners[0].tls: needs a certificate. Set cert and key, or certificates.'],
    [
      listener({ tls: { certificates: [{ cert: 'c', key: 'k', servername: [] }] } }),
      'listeners[0].tls.certificates[0].servername: is not a known key. Did you mean "serverNames"?',
    ],
    [
      listener({ tls: { cert: 'c', key: 'k', requireClientCert: true } }),
      'listeners[0].tls.ca: is missing: requireClientCert needs the authorities to check against.',
    ],
    [listener({ address: 'nowhere:80' }), /^listeners\[0\]\.address: "nowhere:80" must begin with an IP address/],
    [listener({ address: true }), 'listeners[0].address: must be text or a number, not true.'],
    [listener({ skipValidation: true }), /^listeners\[0\]\.name: is missing/],
    [{ ...fine, listeners: [] }, 'listeners: must be at least 1 entries, not 0.'],
    [{ ...fine, cache: { ttl: 1 } }, 'cache.ttl: is not a known key. Did you mean "ttlMs"?'],
    [{ ...fine, cache: 5 }, 'cache: must be true or false or an object, not 5.'],
    [{ ...fine, guard: { allow: '10.0.0.0/8' } }, 'guard.allow: must be a list, not "10.0.0.0/8".'],
    [{ ...fine, log: { level: 'verbos' } }, /^log\.level: must be one of fatal, .*, not "verbos"/],
    [{ ...fine, workers: 0 }, /^workers: must be/],
    [{ ...fine, drain: { deadlineMs: -1 } }, 'drain.deadlineMs: must be at least 0, not -1.'],
    [{ listeners: fine.listeners }, /^resolver: is missing\. Write \{ static/],
    [{ ...fine, resolver: { statik: {} } }, /^resolver\.statik: is not a known key/],
    [{ ...fine, resolver: { static: { a: 'x:y:z:1' } } }, /^resolver\.static\.a: "x:y:z:1" /],
    [
      { ...fine, resolver: { static: { 'a.example': { endpoint: 'a:1', sate: 'asleep' } } } },
      'resolver.static["a.example"].sate: is not a known key. Did you mean "state"?',
    ],
    [{ ...fine, resolver: 5 }, /^resolver: is no resolver/],
  ])('names the place and the remedy: %j', (config, expected) => {
    const found = problems(config)
    expect(found).toHaveLength(1)
    if (typeof expected === 'string') expect(found[0]).toBe(expected)
    else expect(found[0]).toMatch(expected)
  })

  it('finds an address that two listeners have', () => {
    const two = { address: 8080, protocol: 'http' }
    expect(problems({ ...fine, listeners: [two, two] })).toEqual([
      'listeners[1].address: is the same as that of listeners[0].',
    ])
  })

  it('reports everything at once', () => {
    const config = { listeners: [{ address: 'x', protocol: 'nope', tls: { mode: 'of' } }], resolvr: 1 }
    expect(
      validate(config)
        .map(({ path }) => path)
        .toSorted(),
    ).toEqual([
      'listeners[0].address',
      'listeners[0].protocol',
      'listeners[0].tls',
      'listeners[0].tls.mode',
      'resolver',
      'resolvr',
    ])
  })

  it('never repeats a long value, which may be a key', () => {
    const secret = '-----BEGIN PRIVATE KEY-----\nMIIE'
    expect(problems(listener({ tls: { cert: 'c', key: { pem: secret } } })).join()).not.toContain('MIIE')
    expect(problems(listener({ limits: secret })).join()).not.toContain('MIIE')
  })
})
