import { BlockList } from 'node:net'
import fc from 'fast-check'
import { describe, expect, it, vi } from 'vitest'
import { dialledTo, dialRequest, layerContext, type TestContext } from '../__fixtures__/layers.ts'
import { never } from '../__fixtures__/request.ts'
import type { Address, Dialled, DialRequest, GuardOptions } from '../contracts.ts'
import { GatewayError } from '../errors.ts'
import { formatIp, parseIp } from '../ip.ts'
import { type GuardSources, guard } from './guard.ts'

interface Guarded {
  readonly context: TestContext
  /** What got through, as `host:port` of the address that would be dialled. */
  readonly dialled: string[]
  dial(resolution: string, more?: Partial<DialRequest>, signal?: AbortSignal): Promise<Dialled>
}

type Connect = (request: DialRequest) => Promise<Dialled> | Dialled

function guarded(
  options: GuardOptions = {},
  sources: GuardSources = {},
  { listening = [], connect = dialledTo }: { listening?: Address[]; connect?: Connect } = {},
): Guarded {
  const layer = guard(options, { interfaces: () => ['192.168.7.7', 'fd77::7'], ...sources })
  const context = layerContext({ listening })
  layer.setup?.(context)
  const dialled: string[] = []
  const dial = layer.dial?.(async (request) => {
    dialled.push(`${request.address}:${request.endpoint.port ?? request.defaultPort}`)
    return connect(request)
  })
  if (dial === undefined) throw new Error('no dial')
  return { context, dialled, dial: (resolution, more, signal = never) => dial(dialRequest(resolution, more), signal) }
}

const named = (...addresses: string[]): GuardSources => ({ lookup: async () => addresses })
const code = (name: string): unknown => expect.objectContaining({ code: name })
const FORBIDDEN = code('PROXY_DIAL_FORBIDDEN')
const bracket = (host: string): string => (host.includes(':') ? `[${host}]` : host)

const V4_RANGES = `0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24
  192.31.196.0/24 192.52.193.0/24 192.88.99.0/24 192.168.0.0/16 192.175.48.0/24 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24
  224.0.0.0/4 240.0.0.0/4`.split(/\s+/)
const V6_RANGES =
  `::/128 ::1/128 100::/64 2001::/23 2001:db8::/32 3fff::/20 5f00::/16 fc00::/7 fe80::/10 fec0::/10 ff00::/8
  64:ff9b:1::/48`.split(/\s+/)

/** First and last address of a range, and one between. */
function samples(range: string): readonly string[] {
  const [network = '', bits = ''] = range.split('/')
  const bytes = parseIp(network) as Uint8Array
  const fill = (value: number): string =>
    formatIp(
      bytes.map((byte, index) => {
        const free = Math.max(0, Math.min(8, (index + 1) * 8 - Number(bits)))
        return byte | (value & ((1 << free) - 1))
      }),
    )
  return [network, fill(0xff), fill(0x55)]
}

/** The address just before and just after a range. */
function neighbours(range: string): readonly string[] {
  const [first, last] = samples(range) as [string, string]
  return [step(first, -1n), step(last, 1n)].filter((text) => text !== undefined)
}

function step(text: string, by: bigint): string | undefined {
  const bytes = parseIp(text) as Uint8Array
  const value = BigInt(`0x${Buffer.from(bytes).toString('hex')}`) + by
  const digits = value.toString(16).padStart(bytes.length * 2, '0')
  return value < 0n || digits.length > bytes.length * 2 ? undefined : formatIp(Buffer.from(digits, 'hex'))
}

/** Every IPv6 form that carries an IPv4 address. */
function carriers(v4: string): readonly string[] {
  const [a, b, c, d] = parseIp(v4) as Uint8Array as unknown as [number, number, number, number]
  const group = (high: number, low: number): string => ((high << 8) | low).toString(16)
  const hex = `${group(a, b)}:${group(c, d)}`
  return [
    `::${v4}`,
    `::ffff:${v4}`,
    `::ffff:${hex}`,
    `::ffff:0:${v4}`,
    `64:ff9b::${v4}`,
    `64:ff9b:1::${v4}`,
    `2002:${hex}::1`,
    `2001:0:${hex}::1`,
    `2001:0:808:808::${group(a ^ 0xff, b ^ 0xff)}:${group(c ^ 0xff, d ^ 0xff)}`,
    `2a00:1450::5efe:${hex}`,
    `2a00:1450::200:5efe:${hex}`,
  ]
}

describe('the deny list', () => {
  it.each(V4_RANGES)('refuses %s by number, in every IPv6 form and through DNS', async (range) => {
    for (const v4 of samples(range)) {
      for (const address of [v4, ...carriers(v4)]) {
        const { dial, dialled } = guarded({}, named(address))
        await expect(dial(`${bracket(address)}:80`), address).rejects.toEqual(FORBIDDEN)
        await expect(dial('name.example:80'), address).rejects.toEqual(FORBIDDEN)
        expect(dialled).toEqual([])
      }
    }
  })

  it.each(V6_RANGES)('refuses %s by number and through DNS', async (range) => {
    for (const address of samples(range)) {
      const { dial, dialled } = guarded({}, named(address))
      await expect(dial(`[${address}]:80`), address).rejects.toEqual(FORBIDDEN)
      await expect(dial('name.example:80'), address).rejects.toEqual(FORBIDDEN)
      expect(dialled).toEqual([])
    }
  })

  it('lets the neighbours of every range through, unless another range holds them', async () => {
    const list = new BlockList()
    for (const range of [...V4_RANGES, ...V6_RANGES]) {
      const [network = '', bits] = range.split('/')
      list.addSubnet(network, Number(bits), network.includes(':') ? 'ipv6' : 'ipv4')
    }
    const free = [...V4_RANGES, ...V6_RANGES]
      .flatMap(neighbours)
      .filter((text) => !list.check(text, text.includes(':') ? 'ipv6' : 'ipv4'))
    expect(free.length).toBeGreaterThan(40)
    // `::2` carries 0.0.0.2, which is refused for that.
    for (const address of free.filter((text) => text !== '::2')) {
      const { dial, dialled } = guarded()
      await dial(`${bracket(address)}:80`)
      expect(dialled).toEqual([`${address}:80`])
    }
  })

  it('lets public addresses through in every form that is not itself special', async () => {
    for (const form of [
      '8.8.8.8',
      '::8.8.8.8',
      '::ffff:0:8.8.8.8',
      '64:ff9b::8.8.8.8',
      '2002:808:808::1',
      '2a00:1450:4001::1',
    ]) {
      await expect(guarded().dial(`${bracket(form)}:80`), form).resolves.toBeDefined()
    }
  })

  it('agrees with node:net on random IPv4 addresses', async () => {
    const list = new BlockList()
    for (const range of V4_RANGES) list.addSubnet(range.split('/')[0] ?? '', Number(range.split('/')[1]), 'ipv4')
    list.addAddress('168.63.129.16')
    await fc.assert(
      fc.asyncProperty(fc.ipV4(), async (address) => {
        const passed = await guarded()
          .dial(`${address}:80`)
          .then(
            () => true,
            () => false,
          )
        expect(passed).toBe(!list.check(address))
      }),
      { numRuns: 500 },
    )
  })

  it('refuses anything but an address from DNS', async () => {
    for (const odd of ['fe80::1%eth0', 'elsewhere.example', '']) {
      await expect(guarded({}, named(odd)).dial('name.example:80')).rejects.toEqual(FORBIDDEN)
    }
  })
})

describe('cloud metadata', () => {
  const everything = { allow: ['0.0.0.0/0', '::/0'] }
  it.each(['169.254.169.254', '169.254.170.2', '100.100.100.200', '168.63.129.16', '192.0.0.192'])(
    'refuses %s whatever is allowed',
    async (address) => {
      for (const form of [address, ...carriers(address)]) {
        await expect(guarded(everything).dial(`${bracket(form)}:80`), form).rejects.toEqual(FORBIDDEN)
        await expect(guarded(everything, named(form)).dial('metadata.example:80')).rejects.toEqual(FORBIDDEN)
      }
    },
  )

  it.each(['fd00:ec2::254', 'fd00:ec2::23', 'fd20:ce::254'])('refuses %s whatever is allowed', async (address) => {
    await expect(guarded(everything).dial(`[${address}]:80`)).rejects.toEqual(FORBIDDEN)
  })

  it('has everything else allowed there', async () => {
    await expect(guarded(everything).dial('169.254.169.253:80')).resolves.toBeDefined()
    await expect(guarded(everything).dial('[fd00:ec2::255]:80')).resolves.toBeDefined()
  })
})

describe('exceptions', () => {
  it('are ranges, with a port or ports', async () => {
    const { dial, dialled } = guarded({ allow: ['10.1.0.0/16 5432', '127.0.0.1', 'fd00::/8 1024-2048'] })
    await dial('10.1.2.3')
    await dial('127.0.0.1:1')
    await dial('[fd00::1]:1024')
    await dial('[fd00::1]:2048')
    expect(dialled).toEqual(['10.1.2.3:5432', '127.0.0.1:1', 'fd00::1:1024', 'fd00::1:2048'])
    for (const out of ['10.1.2.3:5433', '10.2.0.1', '127.0.0.2', '[fd00::1]:1023', '[fd00::1]:2049']) {
      await expect(dial(out), out).rejects.toEqual(FORBIDDEN)
    }
  })

  it('reach the IPv4 address inside IPv6, which is dialled plainly where it is only mapped', async () => {
    const { dial, dialled } = guarded({ allow: ['10.0.0.0/8'] })
    await dial('[::ffff:10.0.0.1]:80')
    await dial('[64:ff9b::10.0.0.1]:80')
    expect(dialled).toEqual(['10.0.0.1:80', '64:ff9b::a00:1:80'])
  })

  it('do not cover a special address that wraps an allowed one', async () => {
    await expect(guarded({ allow: ['10.0.0.0/8'] }).dial('[64:ff9b:1::10.0.0.1]:80')).rejects.toEqual(FORBIDDEN)
    await expect(guarded({ allow: ['2001::/32'] }).dial('[2001:0:808:808::f5ff:fffe]:80')).rejects.toEqual(FORBIDDEN)
  })

  it('limit nothing else', async () => {
    await expect(guarded({ allow: ['10.0.0.0/8'] }).dial('8.8.8.8:80')).resolves.toBeDefined()
  })

  it.each([
    '',
    '10.0.0.0/8 0',
    '10.0.0.0/8 70000',
    '10.0.0.0/8 2-1',
    '10.0.0.0/8 1 2',
    '10.1.0.0/8',
    'localhost',
    '10.0.0.0/8 http',
  ])('refuses the exception %j when it is made', (text) =>
    expect(() => guard({ allow: [text] })).toThrowError(code('PROXY_CONFIG_INVALID')),
  )

  it('refuses a senseless port list or TTL', () => {
    expect(() => guard({ ports: [0] })).toThrowError(code('PROXY_CONFIG_INVALID'))
    expect(() => guard({ dnsTtlMs: -1 })).toThrowError(code('PROXY_CONFIG_INVALID'))
    expect(() => guard({ dnsTtlMs: Number.NaN })).toThrowError(code('PROXY_CONFIG_INVALID'))
  })
})

describe('ports', () => {
  it('are an allow-list over every address', async () => {
    const { dial } = guarded({ ports: [5432], allow: ['127.0.0.1'] }, named('8.8.8.8'))
    await dial('8.8.8.8')
    await dial('127.0.0.1')
    await expect(dial('8.8.8.8:80')).rejects.toEqual(FORBIDDEN)
    await expect(dial('127.0.0.1:80')).rejects.toEqual(FORBIDDEN)
    await expect(dial('name.example:80')).rejects.toEqual(FORBIDDEN)
  })

  it('must be known', async () => {
    await expect(guarded().dial('8.8.8.8', { defaultPort: undefined })).rejects.toEqual(code('PROXY_RESOLVE_INTERNAL'))
  })
})

describe('loops', () => {
  const LOOP = code('PROXY_DIAL_LOOP')
  const everything = { allow: ['0.0.0.0/0', '::/0'] }
  const at = (host: string): { listening: Address[] } => ({ listening: [{ host, port: 80 }] })

  it.each([
    ['127.0.0.1', ['127.0.0.1', '::ffff:127.0.0.1', '0.0.0.0', '::'], ['127.0.0.2', '::1', '192.168.7.7']],
    [
      '0.0.0.0',
      ['127.0.0.1', '127.9.9.9', '192.168.7.7', '::ffff:192.168.7.7', '0.0.0.0'],
      ['8.8.8.8', '::1', 'fd77::7'],
    ],
    ['::', ['127.0.0.1', '::1', '192.168.7.7', 'fd77::7', '::', '0.0.0.0'], ['8.8.8.8', 'fd77::8']],
    ['192.168.7.7', ['192.168.7.7'], ['127.0.0.1', '0.0.0.0']],
    ['::ffff:127.0.0.1', ['127.0.0.1'], ['::1']],
  ])('through a listener on %s are refused, whatever is allowed', async (bound, loops, others) => {
    for (const host of loops) {
      await expect(guarded(everything, {}, at(bound)).dial(`${bracket(host)}:80`), host).rejects.toEqual(LOOP)
      await expect(guarded(everything, named(host), at(bound)).dial('name.example:80'), host).rejects.toEqual(LOOP)
    }
    for (const host of others) {
      await expect(guarded(everything, {}, at(bound)).dial(`${bracket(host)}:80`), host).resolves.toBeDefined()
    }
    await expect(guarded(everything, {}, at(bound)).dial(`${bracket(loops[0] ?? '')}:81`)).resolves.toBeDefined()
  })

  it('know the addresses of this machine', async () => {
    const { dial } = guarded(everything, { interfaces: undefined }, at('0.0.0.0'))
    await expect(dial('127.0.0.1:80')).rejects.toEqual(LOOP)
  })
})

describe('DNS', () => {
  it('has every answer checked, and nothing dialled when one is refused', async () => {
    const { dial, dialled } = guarded({}, named('8.8.8.8', '10.0.0.1'))
    await expect(dial('name.example:80')).rejects.toEqual(FORBIDDEN)
    expect(dialled).toEqual([])
  })

  it('cannot rebind between check and dial', async () => {
    let asked = 0
    const lookup = async (): Promise<string[]> => [++asked === 1 ? '8.8.8.8' : '127.0.0.1']
    const { dial, dialled } = guarded({ dnsTtlMs: 0 }, { lookup })
    await dial('name.example:80')
    expect(dialled).toEqual(['8.8.8.8:80'])
    await expect(dial('name.example:80')).rejects.toEqual(FORBIDDEN)
    expect(dialled).toEqual(['8.8.8.8:80'])
  })

  it('is asked once for all who wait, and again when the answer is old', async () => {
    const lookup = vi.fn(async () => ['8.8.8.8'])
    const { dial, context } = guarded({ dnsTtlMs: 1_000 }, { lookup })
    await Promise.all([dial('name.example:80'), dial('name.example:81')])
    context.clock.advance(999)
    await dial('name.example:80')
    expect(lookup).toHaveBeenCalledTimes(1)
    context.clock.advance(1)
    await dial('name.example:80')
    expect(lookup).toHaveBeenCalledTimes(2)
  })

  it('that fails is PROXY_DIAL_DNS, and asked again', async () => {
    const lookup = vi.fn(async () => [] as string[])
    lookup.mockRejectedValueOnce(new Error('ENOTFOUND'))
    const { dial } = guarded({}, { lookup })
    await expect(dial('name.example:80')).rejects.toEqual(code('PROXY_DIAL_DNS'))
    await expect(dial('name.example:80')).rejects.toEqual(code('PROXY_DIAL_DNS'))
    expect(lookup).toHaveBeenCalledTimes(2)
  })

  it('that fails or is silent is stood in for by what was known, for some time', async () => {
    const lookup = vi.fn<() => Promise<string[]>>(async () => ['8.8.8.8'])
    const { dial, dialled, context } = guarded({ dnsTtlMs: 1_000 }, { lookup })
    await dial('name.example:80')
    lookup.mockRejectedValue(Object.assign(new Error(), { code: 'EAI_AGAIN' }))
    context.clock.advance(1_000)
    await dial('name.example:80')
    lookup.mockReturnValue(new Promise(() => {}))
    const waiting = dial('name.example:80')
    context.clock.advance(250)
    await waiting
    // The same question, open for as long as it is worth waiting.
    const another = dial('name.example:80')
    context.clock.advance(0)
    await another
    expect(dialled).toHaveLength(4)
    expect(lookup).toHaveBeenCalledTimes(3)
    context.clock.advance(300_000)
    const late = dial('name.example:80')
    context.clock.advance(5_000)
    await expect(late).rejects.toEqual(code('PROXY_DIAL_TIMEOUT'))
  })

  it('that knows the name no more is believed', async () => {
    const lookup = vi.fn(async () => ['8.8.8.8'])
    const { dial, context } = guarded({ dnsTtlMs: 1_000 }, { lookup })
    await dial('name.example:80')
    lookup.mockRejectedValueOnce(Object.assign(new Error(), { code: 'ENOTFOUND' }))
    context.clock.advance(1_000)
    await expect(dial('name.example:80')).rejects.toEqual(code('PROXY_DIAL_DNS'))
    lookup.mockRejectedValueOnce(Object.assign(new Error(), { code: 'EAI_AGAIN' }))
    await expect(dial('name.example:80')).rejects.toEqual(code('PROXY_DIAL_DNS'))
  })

  it('that hangs ends with the connect timeout, or with the client, who leaves alone', async () => {
    const answer = Promise.withResolvers<string[]>()
    const { dial, context } = guarded({}, { lookup: () => answer.promise })
    const gone = new AbortController()
    const slow = dial('name.example:80')
    const left = dial('name.example:80', {}, gone.signal)
    const patient = dial('name.example:80', { connectTimeoutMs: 5_000 })
    gone.abort(new GatewayError('PROXY_CLIENT_GONE'))
    await expect(left).rejects.toEqual(code('PROXY_CLIENT_GONE'))
    context.clock.advance(1_000)
    await expect(slow).rejects.toEqual(code('PROXY_DIAL_TIMEOUT'))
    answer.resolve(['8.8.8.8'])
    await expect(patient).resolves.toBeDefined()
    expect(context.clock.timers).toBe(0)
  })

  it('goes by the system unless told otherwise', async () => {
    const { dial, dialled } = guarded({ allow: ['127.0.0.0/8', '::1'] })
    await dial('localhost:80')
    expect(dialled[0]).toMatch(/^(127\.0\.0\.1|::1):80$/)
  })
})

describe('several addresses', () => {
  const refused = (): never => {
    throw new GatewayError('PROXY_DIAL_REFUSED')
  }

  it('are tried in order until one connects, sharing the timeout', async () => {
    const timeouts: number[] = []
    const connect: Connect = (request) => {
      timeouts.push(request.connectTimeoutMs)
      return request.address === '8.8.4.4' ? dialledTo(request) : refused()
    }
    const { dial, dialled } = guarded({}, named('8.8.8.8', '2a00::1', '8.8.4.4', '1.1.1.1'), { connect })
    await dial('name.example:80')
    expect(dialled).toEqual(['8.8.8.8:80', '2a00::1:80', '8.8.4.4:80'])
    expect(timeouts).toEqual([250, 334, 500])
  })

  it('fail with the last error when all fail', async () => {
    const { dial, dialled } = guarded({}, named('8.8.8.8', '8.8.4.4'), { connect: refused })
    await expect(dial('name.example:80')).rejects.toEqual(code('PROXY_DIAL_REFUSED'))
    expect(dialled).toHaveLength(2)
  })

  it('are not all tried when there are many', async () => {
    const many = Array.from({ length: 50 }, (_, index) => `8.8.8.${index}`)
    const { dial, dialled } = guarded({}, named(...many), { connect: refused })
    await expect(dial('name.example:80')).rejects.toEqual(code('PROXY_DIAL_REFUSED'))
    expect(dialled).toHaveLength(8)
  })

  it('are left alone when the client has gone, the time is up or trying again is no use', async () => {
    const gone = new AbortController()
    const leaving: Connect = () => {
      gone.abort()
      return refused()
    }
    const first = guarded({}, named('8.8.8.8', '8.8.4.4'), { connect: leaving })
    await expect(first.dial('name.example:80', {}, gone.signal)).rejects.toBeDefined()
    const slow = guarded({}, named('8.8.8.8', '8.8.4.4'), {
      connect: () => {
        slow.context.clock.advance(1_000)
        return refused()
      },
    })
    await expect(slow.dial('name.example:80')).rejects.toEqual(code('PROXY_DIAL_REFUSED'))
    const hopeless = guarded({}, named('8.8.8.8', '8.8.4.4'), {
      connect: () => {
        throw new GatewayError('PROXY_BACKEND_TLS')
      },
    })
    await expect(hopeless.dial('name.example:80')).rejects.toEqual(code('PROXY_BACKEND_TLS'))
    for (const { dialled } of [first, slow, hopeless]) expect(dialled).toHaveLength(1)
  })
})

it('never shows the address to clients', async () => {
  const error = await guarded({}, named('10.9.8.7'))
    .dial('secret.internal:80')
    .catch((caught: unknown) => caught)
  expect(GatewayError.is(error) && `${error.message} ${error.hint}`).not.toMatch(/10\.9|secret/)
  expect(String((error as Error).cause)).toMatch(/10\.9\.8\.7 port 80, for secret\.internal/)
})
