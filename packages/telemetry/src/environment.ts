import { defaultRatio, type SamplingOptions } from './sampler.ts'

export type Environment = Readonly<Record<string, string | undefined>>

type Signal = 'TRACES' | 'METRICS'

/** Whether the standard variables ask for a signal to be sent: an endpoint is named, or the exporter is. */
export function exportsByEnvironment(env: Environment, signal: Signal): boolean {
  if (isDisabled(env)) return false
  const exporter = valueOf(env, `OTEL_${signal}_EXPORTER`)
  if (exporter !== undefined) return exporter.split(',').some((name) => name.trim() === 'otlp')
  const names = ['OTEL_EXPORTER_OTLP_ENDPOINT', `OTEL_EXPORTER_OTLP_${signal}_ENDPOINT`]
  return names.some((name) => valueOf(env, name) !== undefined)
}

/** `OTEL_SDK_DISABLED`, or `none` as the exporter of that signal: neither an endpoint nor an option changes that. */
export function refusedByEnvironment(env: Environment, signal: Signal): boolean {
  return isDisabled(env) || valueOf(env, `OTEL_${signal}_EXPORTER`) === 'none'
}

const isDisabled = (env: Environment): boolean => valueOf(env, 'OTEL_SDK_DISABLED')?.toLowerCase() === 'true'

/** `OTEL_TRACES_SAMPLER` with `OTEL_TRACES_SAMPLER_ARG`; a ratio that was configured wins over both. */
export function samplingOf(env: Environment, configured: number | undefined): SamplingOptions {
  const name = valueOf(env, 'OTEL_TRACES_SAMPLER') ?? 'parentbased_traceidratio'
  const parentBased = !['always_on', 'always_off', 'traceidratio'].includes(name)
  return { ratio: configured ?? ratioOf(name, valueOf(env, 'OTEL_TRACES_SAMPLER_ARG')), parentBased }
}

function ratioOf(name: string, argument: string | undefined): number {
  if (name.endsWith('always_on')) return 1
  if (name.endsWith('always_off')) return 0
  const ratio = Number(argument)
  return argument !== undefined && ratio >= 0 && ratio <= 1 ? ratio : defaultRatio
}

/** A number of milliseconds, or of anything else; what is no number counts as not set. */
export function numberOf(env: Environment, name: string, otherwise: number): number {
  const text = valueOf(env, name)
  const number = Number(text)
  return text !== undefined && Number.isFinite(number) && number > 0 ? number : otherwise
}

/** An empty variable is one that is not set (OpenTelemetry's specification of them). */
export function valueOf(env: Environment, name: string): string | undefined {
  const value = env[name]
  return value === undefined || value.trim() === '' ? undefined : value.trim()
}
