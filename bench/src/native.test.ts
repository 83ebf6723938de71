import { expect, test } from 'vitest'
import { latencySample, parseReport, type Report, sampleOf } from './native.ts'

const report: Report = {
  requests: 1000,
  bytes: 64_000,
  seconds: 2,
  cpuSeconds: 0.5,
  p50Us: 10,
  p99Us: 20,
}

test('work is divided by the time, and by the CPU time of the proxy', () => {
  expect(sampleOf(report, report.requests, true)).toEqual({ value: 500, perProxyCpuSecond: 2000, p50Us: 10, p99Us: 20 })
})

test('a direct connection has no CPU time', () => {
  expect(sampleOf(report, report.requests, false)).not.toHaveProperty('perProxyCpuSecond')
})

test('a stream has no latencies', () => {
  expect(sampleOf({ ...report, requests: 0 }, report.bytes, true)).toEqual({
    value: 32_000,
    perProxyCpuSecond: 128_000,
  })
})

test('nothing done, or nothing used, is a failure and not a figure', () => {
  expect(() => sampleOf(report, 0, true)).toThrow('nothing was answered')
  expect(() => sampleOf({ ...report, cpuSeconds: 0 }, 1, true)).toThrow('no CPU time')
  expect(() => latencySample({ ...report, requests: 0 })).toThrow('nothing was answered')
})

test('the complaint of a native program is thrown', () => {
  expect(() => parseReport('{"error":"wrong byte"}')).toThrow('wrong byte')
  expect(parseReport('{"port":1}')).toEqual({ port: 1 })
})
