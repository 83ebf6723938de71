/** A message as a mail server took it. */
export interface StoredMail {
  readonly id: number
  readonly tenant: string
  /** ISO 8601. */
  readonly receivedAt: string
  /** Of the envelope; empty for a bounce. */
  readonly from: string
  readonly to: readonly string[]
  /** Of the header, as it stands there. */
  readonly subject: string
  /** Length of the whole message. */
  readonly bytes: number
  /** Its beginning, header included. */
  readonly text: string
}

export type NewMail = Pick<StoredMail, 'tenant' | 'from' | 'to'> & { readonly content: Buffer }

const keptMails = 50
const keptRecipients = 20
const keptBytes = 64 * 1024

/** The last messages that the embedded mail servers took: 50 at most, and 64 KiB of each. */
export class MailStore {
  readonly #mails: StoredMail[] = []
  #received = 0

  add({ tenant, from, to, content }: NewMail): StoredMail {
    const text = content.toString('utf8', 0, keptBytes)
    const mail = {
      id: ++this.#received,
      tenant,
      receivedAt: new Date().toISOString(),
      from,
      to: to.slice(0, keptRecipients),
      subject: subjectOf(text),
      bytes: content.length,
      text,
    }
    this.#mails.unshift(mail)
    this.#mails.length = Math.min(this.#mails.length, keptMails)
    return mail
  }

  /** Of the messages ever taken, the newest first. */
  list(): readonly StoredMail[] {
    return this.#mails
  }
}

/** A long field is folded over several lines (RFC 5322 section 2.2.3). */
function subjectOf(text: string): string {
  const end = /\r?\n\r?\n/.exec(text)?.index ?? text.length
  const field = /^subject:((?:.*)(?:\r?\n[ \t].*)*)/im.exec(text.slice(0, end))?.[1] ?? ''
  return field.replaceAll(/\r?\n/g, '').trim()
}
