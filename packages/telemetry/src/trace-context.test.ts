import { describe, expect, it } from 'vitest'
import { formatTraceparent, keptTracestate, parseTraceparent } from './trace-context.ts'

const trace = '4bf92f3577b34da6a3ce929d0e0e4736'
const span = '00f067aa0ba902b7'

describe('traceparent', () => {
  it('says trace, span and whether it is recorded', () => {
    expect(parseTraceparent(`00-${trace}-${span}-01`)).toEqual({ traceId: trace, spanId: span, sampled: true })
    expect(parseTraceparent(`00-${trace}-${span}-00`)?.sampled).toBe(false)
    // Flags that are not known yet change nothing.
    expect(parseTraceparent(`00-${trace}-${span}-03`)?.sampled).toBe(true)
    expect(parseTraceparent(formatTraceparent(trace, span))).toEqual({ traceId: trace, spanId: span, sampled: true })
  })

  it('of a later version may say more, of this one not', () => {
    expect(parseTraceparent(`cc-${trace}-${span}-01-what-comes`)).toBeDefined()
    expect(parseTraceparent(`00-${trace}-${span}-01-x`)).toBeUndefined()
  })

  it.each([
    ['version ff', `ff-${trace}-${span}-01`],
    ['a trace of zeros', `00-${'0'.repeat(32)}-${span}-01`],
    ['a span of zeros', `00-${trace}-${'0'.repeat(16)}-01`],
    ['upper case', `00-${trace.toUpperCase()}-${span}-01`],
    ['too short', `00-${trace}-${span}`],
    ['two in one', `00-${trace}-${span}-01,00-${trace}-${span}-01`],
    ['endless', `cc-${trace}-${span}-01-${'x'.repeat(10_000)}`],
    ['nothing', ''],
  ])('is as if it were not there: %s', (_, field) => {
    expect(parseTraceparent(field)).toBeUndefined()
  })
})

describe('tracestate', () => {
  it('is carried on up to 512 characters', () => {
    expect(keptTracestate('a=1,b=2')).toBe('a=1,b=2')
    expect(keptTracestate('a'.repeat(513))).toBeUndefined()
    expect(keptTracestate('')).toBeUndefined()
  })
})
