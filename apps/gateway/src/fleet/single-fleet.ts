import type { DrainOptions } from '@proxy/kernel'
import type { WorkerSnapshot } from '../admin/snapshot.ts'
import type { LoadedConfig } from '../config/load.ts'
import type { Fleet } from './fleet.ts'
import { type BoundListener, Unit, type UnitContext } from './unit.ts'

/** One worker, in this process. */
export class SingleFleet implements Fleet {
  readonly retired: readonly WorkerSnapshot[] = []
  readonly restarts = 0
  readonly serving = 1
  readonly #load: (generation: number) => Promise<LoadedConfig>
  readonly #context: UnitContext
  #unit: Unit | undefined

  constructor(load: (generation: number) => Promise<LoadedConfig>, context: UnitContext) {
    this.#load = load
    this.#context = context
  }

  async open(): Promise<readonly BoundListener[]> {
    this.#unit = new Unit(await this.#load(0), this.#context)
    return this.#unit.open()
  }

  async reload(generation: number): Promise<void> {
    await this.#unit?.prepare(await this.#load(generation))
    await this.#unit?.commit()
    this.#unit?.settle()
  }

  snapshots(): Promise<readonly WorkerSnapshot[]> {
    return Promise.resolve(this.#unit === undefined ? [] : [this.#unit.snapshot()])
  }

  async ask(topic: string, message: unknown): Promise<readonly unknown[]> {
    return this.#unit === undefined ? [] : [await this.#unit.operate(topic, message)]
  }

  async drain(options: DrainOptions): Promise<void> {
    await this.#unit?.drain(options)
  }

  async close(): Promise<void> {
    await this.#unit?.close()
  }
}
