import { expect, onTestFinished, test, vi } from 'vitest'
import { testTransport, transportUnderTest } from './transport.ts'

function given(name: string | undefined): void {
  vi.stubEnv('PROXY_TEST_TRANSPORT', name)
  onTestFinished(() => void vi.unstubAllEnvs())
}

test("the kernel's own transport is what tests run over unless they are told otherwise", () => {
  given(undefined)
  expect(testTransport()).toBe('node')
  expect(transportUnderTest()).toBeUndefined()
})

test('epoll is epoll, and never a transport that stands in for it', () => {
  given('epoll')
  expect(transportUnderTest()?.name).toBe('epoll')
})

test('a name that is none is an error', () => {
  given('iouring')
  expect(transportUnderTest).toThrow('iouring')
})
