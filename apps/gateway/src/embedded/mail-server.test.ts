import { findFreePort } from '@proxy/test-servers'
import { createTransport } from 'nodemailer'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { MailServer } from './mail-server.ts'
import { MailStore } from './mail-store.ts'

describe('MailServer', () => {
  const store = new MailStore()
  let server: MailServer
  let port: number

  beforeEach(async () => {
    port = await findFreePort()
    server = new MailServer('alpha', port, store)
    await server.start()
  })

  afterEach(() => server.stop())

  const send = (text: string) =>
    createTransport({ host: '127.0.0.1', port, secure: false }).sendMail({
      from: 'a@x.test',
      to: ['b@alpha.localhost', 'c@alpha.localhost'],
      subject: 'hello',
      text,
    })

  it('takes a message and says as which', async () => {
    const { response } = await send('line\n.\n..dots\n')
    expect(response).toBe('250 taken as message 1 of alpha')
    expect(store.list()[0]).toMatchObject({
      tenant: 'alpha',
      from: 'a@x.test',
      to: ['b@alpha.localhost', 'c@alpha.localhost'],
      subject: 'hello',
    })
    expect(store.list()[0]!.text).toMatch(/\r\n\r\nline\r\n\.\r\n\.\.dots\r\n$/)
  })

  it('refuses a message that is too large, and goes on', async () => {
    await expect(send('0123456789012345678901234567890123456789\n'.repeat(30_000))).rejects.toThrow(/552/)
    await send('small')
    expect(store.list()[0]!.text).toMatch(/small\r\n$/)
  })
})
