import { durationBuckets, type MetricFacts, type MetricKey, metrics } from './metrics.ts'
import type { Sample, Samples } from './samples.ts'

export const prometheusType = 'text/plain; version=0.0.4; charset=utf-8'

/** The samples in Prometheus' text format, every metric with its HELP and TYPE, in the order of the table. */
export function prometheusText(samples: Samples): string {
  return Object.entries(metrics)
    .map(([key, facts]) => metricText(facts, samples[key as MetricKey] ?? []))
    .join('')
}

function metricText(facts: MetricFacts, samples: readonly Sample[]): string {
  const head = `# HELP ${facts.name} ${escapeHelp(facts.help)}\n# TYPE ${facts.name} ${facts.type}\n`
  const lines = samples.flatMap((sample) =>
    facts.type === 'histogram' ? histogram(facts, sample) : plain(facts, sample),
  )
  return `${head}${lines.map((line) => `${line}\n`).join('')}`
}

const plain = (facts: MetricFacts, sample: Sample): string[] => [
  `${facts.name}${labelText(facts.labels, sample.labels)} ${sample.value}`,
]

function histogram(facts: MetricFacts, sample: Sample): string[] {
  const names = [...facts.labels, 'le']
  let total = 0
  const buckets = [...durationBuckets, Infinity].map((bound, index) => {
    total += sample.counts?.[index] ?? 0
    const le = bound === Infinity ? '+Inf' : String(bound)
    return `${facts.name}_bucket${labelText(names, [...sample.labels, le])} ${total}`
  })
  const labels = labelText(facts.labels, sample.labels)
  return [...buckets, `${facts.name}_sum${labels} ${sample.value}`, `${facts.name}_count${labels} ${total}`]
}

function labelText(names: readonly string[], values: readonly string[]): string {
  if (names.length === 0) return ''
  return `{${names.map((name, index) => `${name}="${escape(values[index] ?? '')}"`).join(',')}}`
}

const escape = (value: string): string => value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')

/** HELP knows no quotes. */
const escapeHelp = (text: string): string => text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')
