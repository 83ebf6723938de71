import type { Session } from '@proxy/kernel'
import type { ClientConnection } from './connection.ts'
import { Incoming } from './incoming.ts'
import type { MessageHead } from './message.ts'
import { RequestReport } from './request-report.ts'
import { ResponseWriter } from './response.ts'

/** The client's side of the requests of an HTTP/1.1 connection: what is asked, and what it is answered, whoever answers. */
export abstract class Http1Answering {
  protected readonly connection: ClientConnection
  protected readonly incoming: Incoming = new Incoming()
  protected readonly report: RequestReport
  protected readonly response: ResponseWriter

  constructor(connection: ClientConnection) {
    this.connection = connection
    this.report = new RequestReport(connection.server)
    this.response = new ResponseWriter(connection, this.incoming, this.report)
  }

  get isHead(): boolean {
    return this.incoming.method === 'HEAD'
  }

  get unchunks(): boolean {
    return this.incoming.minor === 0
  }

  get upgrades(): boolean {
    return this.incoming.upgrades
  }

  get sent(): boolean {
    return this.incoming.body.done
  }

  get session(): Session {
    return this.connection.session
  }

  onInterim(head: MessageHead, bytes: Buffer): void {
    if (this.incoming.minor === 0) return
    this.connection.touch()
    this.response.interim(head, bytes)
  }
}
