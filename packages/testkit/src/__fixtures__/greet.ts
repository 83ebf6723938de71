import { GatewayError, type Protocol, type Session, type Upstream } from '@proxy/kernel'
import { line, parseHello } from './greet-wire.ts'

const startTls = 'STARTTLS\r\n'

export class Greet implements Protocol {
  readonly api = 1
  readonly name: string = 'greet'
  readonly speaksFirst = 'client'
  readonly halfClose = true

  detect(prefix: Buffer): boolean | undefined {
    const length = Math.min(prefix.length, 6)
    if (prefix.toString('latin1', 0, length) !== 'HELLO '.slice(0, length)) return false
    return length === 6 ? true : undefined
  }

  async serve(session: Session): Promise<void> {
    const { client } = session
    let opening = await client.peek(line)
    if (client.canSecure && opening.toString('latin1') === startTls) {
      await client.read(line)
      await client.secure('+GO\r\n')
      opening = await client.peek(line)
    }
    const upstream = await session.route(parseHello(opening), { via: 'hello' })
    await session.relay(upstream)
  }

  refuse(error: GatewayError): string {
    return `-ERR ${error.message}\r\n`
  }

  async ready(upstream: Upstream): Promise<void> {
    await upstream.write('PING\r\n')
    const answer = (await upstream.read(line)).toString('latin1')
    if (answer === '-LOADING\r\n') throw new GatewayError('PROXY_BACKEND_NOT_READY')
    if (answer !== '+PONG\r\n') throw new GatewayError('PROXY_BACKEND_PROTOCOL')
  }
}

/** A small protocol of one line: `HELLO tenant`, then anything. With TLS by STARTTLS. */
export function greet(): Protocol {
  return new Greet()
}
