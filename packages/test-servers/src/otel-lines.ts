/** A span as a receiver of OTLP got it. */
export interface ReceivedSpan {
  readonly name: string
  readonly traceId: string
  readonly spanId: string
  /** '' for a root. */
  readonly parentSpanId: string
  /** 1 internal, 2 server, 3 client. */
  readonly kind: number
  readonly startMs: number
  readonly endMs: number
  readonly traceState: string
  /** 0 unset, 1 ok, 2 error. */
  readonly status: number
  readonly attributes: Readonly<Record<string, unknown>>
  readonly resource: Readonly<Record<string, unknown>>
}

/** A data point of a metric. */
export interface ReceivedPoint {
  readonly metric: string
  readonly unit: string
  readonly attributes: Readonly<Record<string, unknown>>
  readonly resource: Readonly<Record<string, unknown>>
  /** Of a histogram, how many values it has. */
  readonly value: number
}

type Json = Readonly<Record<string, unknown>>

const listOf = (value: unknown): readonly Json[] => (Array.isArray(value) ? (value as Json[]) : [])
const textOf = (value: unknown): string => (typeof value === 'string' ? value : '')

/** The spans of requests in OTLP/JSON. Throws when one breaks the rules of the format. */
export function spansOf(requests: readonly Json[]): ReceivedSpan[] {
  return requests.flatMap((request) =>
    listOf(request['resourceSpans']).flatMap(({ resource, scopeSpans }) =>
      listOf(scopeSpans).flatMap(({ spans }) => listOf(spans).map((span) => spanOf(span, resource as Json))),
    ),
  )
}

function spanOf(span: Json, resource: Json): ReceivedSpan {
  const [startMs, endMs] = [millisecondsOf(span['startTimeUnixNano']), millisecondsOf(span['endTimeUnixNano'])]
  const ids = [span['traceId'], span['spanId']].map(textOf)
  if (!/^[0-9a-f]{32}$/.test(ids[0]!) || !/^[0-9a-f]{16}$/.test(ids[1]!)) throw new Error(`ids ${ids.join(' ')}`)
  if (endMs < startMs) throw new Error(`${textOf(span['name'])} ends before it begins`)
  return {
    name: textOf(span['name']),
    traceId: ids[0]!,
    spanId: ids[1]!,
    parentSpanId: textOf(span['parentSpanId']),
    kind: Number(span['kind']),
    startMs,
    endMs,
    traceState: textOf(span['traceState']),
    status: Number((span['status'] as Json | undefined)?.['code'] ?? 0),
    attributes: attributesOf(span['attributes']),
    resource: attributesOf(resource['attributes']),
  }
}

/** The data points of requests in OTLP/JSON. */
export function pointsOf(requests: readonly Json[]): ReceivedPoint[] {
  return requests.flatMap((request) =>
    listOf(request['resourceMetrics']).flatMap(({ resource, scopeMetrics }) =>
      listOf(scopeMetrics).flatMap(({ metrics }) =>
        listOf(metrics).flatMap((metric) => metricPoints(metric, attributesOf((resource as Json)['attributes']))),
      ),
    ),
  )
}

function metricPoints(metric: Json, resource: Json): ReceivedPoint[] {
  const data = (metric['sum'] ?? metric['gauge'] ?? metric['histogram']) as Json | undefined
  return listOf(data?.['dataPoints']).map((point) => ({
    metric: textOf(metric['name']),
    unit: textOf(metric['unit']),
    attributes: attributesOf(point['attributes']),
    resource,
    value: Number(point['asInt'] ?? point['asDouble'] ?? point['count'] ?? 0),
  }))
}

const millisecondsOf = (nanoseconds: unknown): number => Number(BigInt(textOf(nanoseconds) || '0') / 1_000n) / 1_000

function attributesOf(attributes: unknown): Readonly<Record<string, unknown>> {
  return Object.fromEntries(listOf(attributes).map(({ key, value }) => [textOf(key), valueOf(value as Json)]))
}

function valueOf(value: Json): unknown {
  if (value['intValue'] !== undefined) return Number(value['intValue'])
  return value['stringValue'] ?? value['doubleValue'] ?? value['boolValue']
}
