import { describe, expect, it } from 'vitest'
import { exportsByEnvironment, numberOf, refusedByEnvironment, samplingOf } from './environment.ts'
import { mostPerSecond, type TraceSampler, traceSampler } from './sampler.ts'

describe('what is sent', () => {
  it.each([
    [{}, false],
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c:4318' }, true],
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: ' ' }, false],
    [{ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://c:4318/v1/traces' }, true],
    [{ OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: 'http://c:4318/v1/metrics' }, false],
    [{ OTEL_TRACES_EXPORTER: 'otlp' }, true],
    [{ OTEL_TRACES_EXPORTER: 'none', OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c:4318' }, false],
    [{ OTEL_SDK_DISABLED: 'true', OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c:4318' }, false],
  ])('%j: traces %j', (env, sent) => {
    expect(exportsByEnvironment(env, 'TRACES')).toBe(sent)
  })

  it('is refused by the environment whatever was configured', () => {
    expect(refusedByEnvironment({ OTEL_SDK_DISABLED: 'TRUE' }, 'METRICS')).toBe(true)
    expect(refusedByEnvironment({ OTEL_METRICS_EXPORTER: 'none' }, 'METRICS')).toBe(true)
    expect(refusedByEnvironment({ OTEL_METRICS_EXPORTER: 'none' }, 'TRACES')).toBe(false)
  })
})

describe('what is sampled', () => {
  it.each([
    [{}, undefined, { ratio: 0.01, parentBased: true }],
    [{}, 0.5, { ratio: 0.5, parentBased: true }],
    [{ OTEL_TRACES_SAMPLER: 'always_on' }, undefined, { ratio: 1, parentBased: false }],
    [{ OTEL_TRACES_SAMPLER: 'parentbased_always_off' }, undefined, { ratio: 0, parentBased: true }],
    [
      { OTEL_TRACES_SAMPLER: 'traceidratio', OTEL_TRACES_SAMPLER_ARG: '0.2' },
      undefined,
      { ratio: 0.2, parentBased: false },
    ],
    [{ OTEL_TRACES_SAMPLER_ARG: '7' }, undefined, { ratio: 0.01, parentBased: true }],
    [{ OTEL_TRACES_SAMPLER_ARG: '0.2' }, 0, { ratio: 0, parentBased: true }],
  ])('%j with %j', (env, configured, expected) => {
    expect(samplingOf(env, configured)).toEqual(expected)
  })

  it('is the decision of the client, where it brings a trace', () => {
    const parent = { traceId: '4bf92f3577b34da6a3ce929d0e0e4736', spanId: '00f067aa0ba902b7', sampled: true }
    const never = traceSampler({ ratio: 0, parentBased: true })
    expect([never(parent), never({ ...parent, sampled: false }), never(undefined)]).toEqual([true, false, false])
  })

  it('records so many a second that begin here, and all where all are wanted', () => {
    let at = 0
    const begun = (sampler: TraceSampler): number =>
      Array.from({ length: 5_000 }, () => sampler(undefined)).filter(Boolean).length
    const most = traceSampler({ ratio: 0.5, parentBased: true }, () => at)
    expect([begun(most), begun(most)]).toEqual([mostPerSecond, 0])
    at = 1_000
    expect(begun(most)).toBe(mostPerSecond)
    expect(begun(traceSampler({ ratio: 1, parentBased: true }))).toBe(5_000)
  })

  it('is the same for one trace in every service that goes by its id', () => {
    const half = traceSampler({ ratio: 0.5, parentBased: false })
    const parent = { spanId: '00f067aa0ba902b7', sampled: true }
    expect(half({ ...parent, traceId: `${'a'.repeat(18)}7f000000000000` })).toBe(true)
    expect(half({ ...parent, traceId: `${'a'.repeat(18)}80000000000000` })).toBe(false)
  })
})

describe('numberOf', () => {
  it('takes what is no number for not set', () => {
    expect(numberOf({ A: '12' }, 'A', 5)).toBe(12)
    for (const A of ['', '-1', '0', 'x', 'Infinity']) expect(numberOf({ A }, 'A', 5)).toBe(5)
  })
})
