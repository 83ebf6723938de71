import type { ProtocolContext, RelayListener } from '@proxy/kernel'
import type { CommandScope } from './command-filter.ts'
import { type Connection, type Connections, ownerHere } from './connections.ts'
import type { MysqlSettings } from './options.ts'
import { userWithin } from './routing.ts'

/** A `mysql()` in its gateway. */
export interface Running {
  readonly context: ProtocolContext
  readonly connections: Connections
}

/** What one session may reach by its commands: sessions of its own tenant on its own server. They reach it until its relay ends. */
export class SessionScope implements CommandScope, RelayListener {
  readonly #running: Running
  readonly #settings: MysqlSettings
  readonly #connection: Connection

  constructor(running: Running, settings: MysqlSettings, connection: Connection) {
    this.#running = running
    this.#settings = settings
    this.#connection = connection
    running.connections.add(connection)
  }

  find(id: number): number | undefined | Promise<number | undefined> {
    const { connections, context } = this.#running
    const owner = ownerHere(this.#settings.node, context.peers)
    const { tenant, address } = this.#connection
    return connections.find(context.peers, owner, { id, tenant, address })
  }

  userWithin(name: string): string {
    return userWithin(name, this.#connection.tenant, this.#settings)
  }

  relayed(): void {
    this.#running.connections.forget(this.#connection)
  }
}
