import type { ProtocolContext } from '@proxy/kernel'
import type { CommandScope } from './command-filter.ts'
import { type Connections, ownerHere } from './connections.ts'
import type { MysqlSettings } from './options.ts'
import { userWithin } from './routing.ts'

/** A `mysql()` in its gateway. */
export interface Running {
  readonly context: ProtocolContext
  readonly connections: Connections
}

/** What one session may reach by its commands: sessions of its own tenant on its own server. */
export class SessionScope implements CommandScope {
  readonly #running: Running
  readonly #settings: MysqlSettings
  readonly #tenant: string
  readonly #address: string

  constructor(running: Running, settings: MysqlSettings, tenant: string, address: string) {
    this.#running = running
    this.#settings = settings
    this.#tenant = tenant
    this.#address = address
  }

  find(id: number): number | undefined | Promise<number | undefined> {
    const { connections, context } = this.#running
    const owner = ownerHere(this.#settings.node, context.peers)
    return connections.find(context.peers, owner, { id, tenant: this.#tenant, address: this.#address })
  }

  userWithin(name: string): string {
    return userWithin(name, this.#tenant, this.#settings)
  }
}
