import { describe, expect, it } from 'vitest'
import { keyOf, splitAbsolute } from './host.ts'

describe('the key of a Host', () => {
  it.each([
    ['example.org', 'example.org'],
    ['Example.ORG:8080', 'example.org'],
    ['example.org.', 'example.org'],
    ['example.org.:80', 'example.org'],
    ['example.org:', 'example.org'],
    ['127.0.0.1:80', '127.0.0.1'],
    ['[::1]:80', '::1'],
    ['[2001:DB8::1]', '2001:db8::1'],
    ['a_b-c.localhost', 'a_b-c.localhost'],
    ['', ''],
  ])('%s', (host, key) => {
    expect(keyOf(host)).toBe(key)
  })

  it.each(['a b', 'a,b', 'a/b', 'user@a', 'a:80:80', 'a:x', '[::1', '::1', '-a', 'a\x00', 'é', '.', 'a'.repeat(300)])(
    '%j is none',
    (host) => {
      expect(keyOf(host)).toBeUndefined()
    },
  )
})

describe('an absolute target', () => {
  it.each([
    ['http://a/b?c', 'a', '/b?c'],
    ['HTTPS://A:1', 'A:1', '/'],
    ['http://a?b', 'a', '/?b'],
  ])('%s', (target, authority, path) => {
    expect(splitAbsolute(target)).toEqual({ authority, path })
  })

  it.each(['ftp://a/', 'a', 'http:/a', 'http://a/#b'])('%s is none', (target) => {
    expect(splitAbsolute(target)).toBeUndefined()
  })
})
