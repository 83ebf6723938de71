import {
  type Clock,
  type Framer,
  GatewayError,
  type Protocol,
  type ProtocolContext,
  type Session,
  systemClock,
} from '@proxy/kernel'
import { commands } from './commands.ts'
import { detectMongodb } from './detect.ts'
import { Opening } from './opening.ts'
import { type MongodbOptions, type MongodbSettings, settingsOf } from './options.ts'
import { routePassthrough, tlsAlert } from './passthrough.ts'
import { ready } from './ready.ts'
import { refusal } from './refusals.ts'
import { CommandScan, Names } from './scan.ts'

const tlsHandshakeByte = 0x16
const firstByte: Framer = () => 1

class Mongodb implements Protocol {
  readonly api = 1
  readonly name = 'mongodb'
  readonly speaksFirst = 'client'
  readonly defaultPort = 27_017
  readonly detect = detectMongodb
  readonly ready = ready
  readonly #settings: MongodbSettings
  /** What clients have begun to say that have no backend yet. */
  readonly #scans: WeakMap<Session, CommandScan> = new WeakMap()
  #clock: Clock = systemClock
  #connections = 0

  constructor(settings: MongodbSettings) {
    this.#settings = settings
  }

  setup({ clock }: ProtocolContext): void {
    this.#clock = clock
  }

  async serve(session: Session): Promise<void> {
    if (session.tlsMode === 'passthrough') {
      session.handOver(await routePassthrough(session, this.#settings))
      return
    }
    if (session.tlsMode === 'negotiated') await secureIfBegun(session)
    const opening = this.#opening(session)
    if (session.tlsRequired && session.client.tls === undefined) {
      await opening.heard()
      throw new GatewayError('PROXY_TLS_REQUIRED')
    }
    const upstream = await opening.untilRouted()
    if (upstream !== undefined) opening.relay(upstream)
  }

  refuse(error: GatewayError, session: Session): Uint8Array | undefined {
    if (session.tlsMode === 'passthrough') return tlsAlert(error)
    const scan = this.#scans.get(session)
    return scan?.headed === true && !scan.silent ? refusal(error, scan) : undefined
  }

  #opening(session: Session): Opening {
    const names = new Names(commands)
    const scan = new CommandScan(names)
    this.#scans.set(session, scan)
    this.#connections = (this.#connections % 0x7fff_ffff) + 1
    const host = { settings: this.#settings, clock: this.#clock, names, connection: this.#connections }
    return new Opening(session, host, scan)
  }
}

/** MongoDB has no way to ask for TLS: the first byte tells whether a client has begun it. */
async function secureIfBegun({ client }: Session): Promise<void> {
  const opening = await client.peek(firstByte)
  if (opening[0] === tlsHandshakeByte) await client.secure()
}

/**
 * MongoDB (OP_MSG): routes a connection by server name, authentication database, first `$db` or user name, and relays it to
 * its end. Clients see a mongos, whatever the backend is. No pooling: each client connection that needs a backend
 * has one of its own.
 *
 * Throws `PROXY_CONFIG_INVALID` for options that make no sense.
 */
export function mongodb(options: MongodbOptions = {}): Protocol {
  return new Mongodb(settingsOf(options))
}
