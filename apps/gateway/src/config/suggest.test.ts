import { describe, expect, it } from 'vitest'
import { didYouMean, nearest } from './suggest.ts'

describe('nearest', () => {
  it('finds a word with one letter missing, doubled, wrong or swapped', () => {
    const known = ['address', 'protocol', 'options']
    expect(nearest('adress', known)).toBe('address')
    expect(nearest('protoocol', known)).toBe('protocol')
    expect(nearest('optoins', known)).toBe('options')
    expect(nearest('protocal', known)).toBe('protocol')
  })

  it('ignores case', () => {
    expect(nearest('maxconnections', ['maxConnections'])).toBe('maxConnections')
  })

  it('is silent when nothing is near', () => {
    expect(nearest('colour', ['address', 'protocol'])).toBeUndefined()
    expect(didYouMean('colour', ['address'])).toBeUndefined()
  })
})
