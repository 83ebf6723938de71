import type { Link, Session } from '@proxy/kernel'
import type { HttpProtocol, Served } from './protocol.ts'

export class Http2Side {
  constructor(_protocol: HttpProtocol) {}
  serve(_session: Session, _link: Link, _unread: Buffer): { served: Served; ended: Promise<void> } {
    throw new Error('none')
  }
  sweep(): void {}
  close(): void {}
}
