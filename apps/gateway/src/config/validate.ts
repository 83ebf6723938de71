import { GatewayError, parseAddress, parseEndpoint, type TlsMode } from '@proxy/kernel'
import { check } from './check.ts'
import { declaredResolvers } from './declared-resolvers.ts'
import { layerShapes } from './layer-shapes.ts'
import { type ConfigProblem, pathText } from './problems.ts'
import { namedProtocol } from './protocol-names.ts'
import { gatewaySchema, resolutionSchema, tlsModes } from './schema.ts'

type Path = readonly PropertyKey[]
type RecordValue = Readonly<Record<string, unknown>>

const schema = gatewaySchema(layerShapes)

/** Everything that is wrong with a configuration and can be known without opening anything. */
export function validate(value: unknown): ConfigProblem[] {
  if (!isRecord(value)) return [{ path: '', message: 'must be an object.', suggestion: 'Try defineGateway({ ... }).' }]
  return [
    ...check(schema, value),
    ...listenersOf(value).flatMap((listener, index) => listenerProblems(listener, ['listeners', index])),
    ...sharedAddresses(listenersOf(value)),
    ...resolverProblems(value['resolver']),
    ...addressProblems(isRecord(value['admin']) ? value['admin']['address'] : undefined, ['admin', 'address'], /^\d+$/),
  ]
}

const listenersOf = (value: RecordValue): RecordValue[] =>
  Array.isArray(value['listeners']) ? value['listeners'].filter(isRecord) : []

function listenerProblems(listener: RecordValue, at: Path): ConfigProblem[] {
  return [
    ...addressProblems(listener['address'], [...at, 'address']),
    ...protocolProblems(listener, at),
    ...tlsProblems(listener['tls'], [...at, 'tls']),
    ...tlsModeProblems(listener, [...at, 'tls', 'mode']),
    ...(listener['skipValidation'] === true && listener['name'] === undefined
      ? [problem([...at, 'name'], 'is missing: skipValidation tells listeners apart by their names.')]
      : []),
  ]
}

function addressProblems(address: unknown, at: Path, alsoFine?: RegExp): ConfigProblem[] {
  if (typeof address !== 'string' || alsoFine?.test(address) === true) return []
  return attempt(() => parseAddress(address), at)
}

function protocolProblems(listener: RecordValue, at: Path): ConfigProblem[] {
  const { protocol, options } = listener
  const path = [...at, 'protocol']
  if (protocol === undefined) return [problem(path, 'is missing: it must be the name of a protocol.', 'Try "http".')]
  const list = Array.isArray(protocol) ? protocol : [protocol]
  const problems = list.flatMap((one, index) => {
    if (!Array.isArray(protocol)) return oneProtocol(one, path)
    return [...oneProtocol(one, [...path, index]), ...(list.length > 1 ? sharingProblems(one, [...path, index]) : [])]
  })
  if (options === undefined || problems.length > 0) return problems
  return optionsProblems(protocol, options, [...at, 'options'])
}

function oneProtocol(protocol: unknown, at: Path): ConfigProblem[] {
  if (isRecord(protocol) && typeof protocol['serve'] === 'function') return []
  if (typeof protocol !== 'string') return [problem(at, 'must be the name of a protocol, or a protocol.')]
  const named = namedProtocol(protocol)
  return 'message' in named ? [{ path: pathText(at), ...named }] : []
}

/** A client that waits to be spoken to sends nothing that a choice could be made by. */
function sharingProblems(protocol: unknown, at: Path): ConfigProblem[] {
  if (typeof protocol !== 'string') return []
  const named = namedProtocol(protocol)
  if ('message' in named || named.speaksFirst === 'client') return []
  return [problem(at, `${protocol} speaks first and cannot share a port.`, 'Give it a listener of its own.')]
}

function optionsProblems(protocol: unknown, options: unknown, at: Path): ConfigProblem[] {
  if (typeof protocol !== 'string')
    return [problem(at, 'are for one protocol that is given by its name.', 'Write protocol: http({ ... }).')]
  const named = namedProtocol(protocol)
  return 'message' in named ? [] : check(named.options, options, at)
}

function tlsProblems(tls: unknown, at: Path): ConfigProblem[] {
  if (!isRecord(tls)) return []
  const { mode, cert, key, certificates, ca, requireClientCert } = tls
  const problems: ConfigProblem[] = []
  if ((cert === undefined) !== (key === undefined))
    problems.push(problem([...at, cert === undefined ? 'cert' : 'key'], 'is missing: certificate and key go together.'))
  const ends = mode !== 'off' && mode !== 'passthrough'
  if (ends && cert === undefined && key === undefined && !(Array.isArray(certificates) && certificates.length > 0))
    problems.push(problem(at, 'needs a certificate.', 'Set cert and key, or certificates.'))
  if (requireClientCert === true && ca === undefined)
    problems.push(problem([...at, 'ca'], 'is missing: requireClientCert needs the authorities to check against.'))
  return problems
}

/** Protocols that share a port are not held to it: each does with TLS what it can. */
function tlsModeProblems({ protocol, tls }: RecordValue, at: Path): ConfigProblem[] {
  const mode = isRecord(tls) ? tls['mode'] : undefined
  if (typeof protocol !== 'string' || !tlsModes.includes(mode as TlsMode)) return []
  const named = namedProtocol(protocol)
  if ('message' in named || mode === 'off' || named.tls.includes(mode as TlsMode)) return []
  return [problem(at, `${protocol} cannot do ${mode as TlsMode}.`, `It can do ${named.tls.join(', ')}.`)]
}

function sharedAddresses(listeners: readonly RecordValue[]): ConfigProblem[] {
  const first = new Map<string, number>()
  return listeners.flatMap(({ address }, index) => {
    const known = first.get(String(address))
    if (known === undefined) first.set(String(address), index)
    if (known === undefined || /(^|:)0$/.test(String(address))) return []
    return [problem(['listeners', index, 'address'], `is the same as that of listeners[${known}].`)]
  })
}

function resolverProblems(resolver: unknown): ConfigProblem[] {
  const at = ['resolver']
  const packages = [...declaredResolvers.keys()].join(', ')
  const forms = `Write { static: { key: "host:port" } }, { fixed: "host:port" }, one of ${packages} with its options, the path of a module, or a resolver.`
  if (resolver === undefined) return [problem(at, 'is missing.', forms)]
  if (typeof resolver === 'string') return resolver === '' ? [problem(at, 'is empty.', forms)] : []
  if (typeof resolver === 'function') return []
  if (!isRecord(resolver)) return [problem(at, 'is no resolver.', forms)]
  if (typeof resolver['resolve'] === 'function') return []
  return declaredProblems(resolver, at, forms)
}

function declaredProblems(resolver: RecordValue, at: Path, forms: string): ConfigProblem[] {
  const named = Object.keys(resolver)
  const unknown = named.filter((key) => key !== 'static' && key !== 'fixed' && !declaredResolvers.has(key))
  if (unknown.length > 0) return unknown.map((key) => problem([...at, key], 'is not a known key.', forms))
  if (named.length > 1) return [problem(at, `has both ${named[0]} and ${named[1]}.`, forms)]
  const [name = ''] = named
  const declared = declaredResolvers.get(name)
  if (declared !== undefined) return check(declared.options, resolver[name], [...at, name])
  if (resolver['fixed'] !== undefined) return resolutionProblems(resolver['fixed'], [...at, 'fixed'])
  if (!isRecord(resolver['static']))
    return [problem([...at, 'static'], 'must be an object of keys and backends.', forms)]
  return Object.entries(resolver['static']).flatMap(([key, value]) => resolutionProblems(value, [...at, 'static', key]))
}

function resolutionProblems(value: unknown, at: Path): ConfigProblem[] {
  const problems = check(resolutionSchema, value, at)
  if (problems.length > 0) return problems
  const endpoint = isRecord(value) ? value['endpoint'] : value
  const list = Array.isArray(endpoint) ? endpoint : [endpoint]
  return list.flatMap((one) => attempt(() => parseEndpoint(one), at))
}

function attempt(parse: () => unknown, at: Path): ConfigProblem[] {
  try {
    parse()
    return []
  } catch (error) {
    return [problem(at, `${GatewayError.from(error).message}.`)]
  }
}

const problem = (at: Path, message: string, suggestion?: string): ConfigProblem => ({
  path: pathText(at),
  message,
  suggestion,
})

const isRecord = (value: unknown): value is RecordValue =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
