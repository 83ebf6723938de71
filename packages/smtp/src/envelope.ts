/** What there is of a message that is under way. */
export class Envelope {
  /** MAIL, answered by the gateway, until a recipient tells where it goes. */
  mail: Buffer | undefined = undefined
  /** The domain of the recipient that came last, where recipients decide. */
  recipient: string | undefined = undefined
  /** The backend has taken MAIL. */
  open = false
  /** Recipients that it has taken. */
  accepted = 0
  /** It has refused a chunk of BDAT, and forgotten the message with it. */
  chunkFailed = false

  /** Leaving now would cost the message. */
  get underWay(): boolean {
    return this.open || this.mail !== undefined
  }

  begin(): void {
    this.end()
    this.open = true
  }

  end(): void {
    this.mail = undefined
    this.recipient = undefined
    this.open = false
    this.accepted = 0
    this.chunkFailed = false
  }

  /** RFC 2033 section 4.2: a reply for each recipient that was taken, and one for a message that has none. */
  repliesToEnd(lmtp: boolean): number {
    return lmtp && !this.chunkFailed ? Math.max(1, this.accepted) : 1
  }
}
