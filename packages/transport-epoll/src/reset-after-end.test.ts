import { connect } from 'node:net'
import type { Link, LinkHandler } from '@proxy/kernel'
import { settle, until } from '@proxy/testkit'
import { expect, onTestFinished, test } from 'vitest'
import { strictTransport } from './__fixtures__/strict.ts'

class Listener implements LinkHandler {
  readonly errors: (string | undefined)[] = []
  ends = 0
  onData(): void {}
  onDrain(): void {}
  onEnd(): void {
    this.ends++
  }
  onClose(_link: Link, error: NodeJS.ErrnoException | undefined): void {
    this.errors.push(error?.code)
  }
}

test.each([false, true])('a reset behind the FIN ends the link, once (paused: %s)', async (paused) => {
  const heard = new Listener()
  let accepted: Link | undefined = undefined
  const onLink = (link: Link): void => {
    accepted = link
    link.attach(heard)
    link.resume()
  }
  const binding = await strictTransport().listen({ host: '127.0.0.1', port: 0 }, { onLink, onError: () => undefined })
  onTestFinished(() => binding.close())
  const client = connect({ ...binding.address, allowHalfOpen: true }).end()
  await until(() => heard.ends > 0, 'the FIN')
  if (paused) (accepted as Link | undefined)?.pause()
  client.resetAndDestroy()
  await until(() => heard.errors.length > 0, 'the reset')
  await settle()
  expect(heard.ends).toBe(1)
  expect(heard.errors).toEqual(['EPIPE'])
})
