import { describe, expect, it } from 'vitest'
import { MailStore } from './mail-store.ts'

const envelope = { tenant: 'alpha', from: 'a@x', to: ['b@y'] }
const add = (store: MailStore, text: string) => store.add({ ...envelope, content: Buffer.from(text) })

describe('MailStore', () => {
  it('keeps the newest, in order, and a part of each', () => {
    const store = new MailStore()
    for (let i = 1; i <= 60; i++) add(store, `Subject: ${i}\r\n\r\n${'x'.repeat(100_000)}`)
    expect(store.list()).toHaveLength(50)
    expect(store.list().map(({ subject }) => Number(subject))).toEqual(Array.from({ length: 50 }, (_, i) => 60 - i))
    expect(store.list()[0]).toMatchObject({ id: 60, bytes: 100_015 })
    expect(store.list()[0]!.text).toHaveLength(65_536)
  })

  it('keeps a part of a long list of recipients', () => {
    const to = Array.from({ length: 1_000 }, (_, i) => `${i}@y`)
    expect(new MailStore().add({ ...envelope, to, content: Buffer.alloc(0) }).to).toEqual(to.slice(0, 20))
  })

  it.each([
    ['From: a\r\nSUBJECT:  hello \r\nTo: b\r\n\r\nSubject: body', 'hello'],
    ['Subject: one\r\n two\r\n\tthree\r\nTo: b\r\n\r\n', 'one two\tthree'],
    ['From: a\r\n\r\nSubject: body', ''],
    ['From: a\n\nSubject: body', ''],
    ['Subject:\r\n\r\n', ''],
    ['', ''],
  ])('reads the subject of %j', (text, subject) => {
    expect(add(new MailStore(), text).subject).toBe(subject)
  })
})
