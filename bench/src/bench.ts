import { spawnSync } from 'node:child_process'
import { chmodSync, mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Certificate, makeCertificate } from './certificate.ts'
import { Native } from './native.ts'
import { openFilesLimit, processTree } from './proc.ts'
import { Processes } from './processes.ts'
import type { Running } from './subject.ts'

/** One run of the benchmark: its directory, its processes, and which core is whose. */
export class Bench {
  readonly processes: Processes = new Processes()
  readonly directory: string
  readonly native: Native
  readonly proxyCore = 0
  readonly loadCore = 1
  /** For what is to spread. */
  readonly allCores: string = `0-${availableParallelism() - 1}`
  #certificate: Certificate | undefined
  readonly #deferred: (() => Promise<void>)[] = []

  constructor() {
    if (process.platform !== 'linux') throw new Error('The benchmark needs Linux: it pins processes and reads /proc.')
    if (availableParallelism() < 2)
      throw new Error('The benchmark needs two cores: one for the proxy, one for the load.')
    this.directory = mkdtempSync(join(realpathSync(tmpdir()), 'proxy-bench-'))
    // Servers that drop root must be able to enter it.
    chmodSync(this.directory, 0o755)
    this.native = new Native(this)
  }

  /** Connections that a proxy can hold, two files for each, beside its own. */
  get connectionLimit(): number {
    return Math.floor((openFilesLimit() - 200) / 2.1)
  }

  /** Idle connections: so many first, then up to so many. */
  idleCounts(quick: boolean): { first: number; total: number } {
    const total = Math.min(quick ? 2000 : 9000, this.connectionLimit)
    if (total < 1500) throw new Error('too few files may be open for 1,500 idle connections: raise ulimit -n')
    return { first: Math.min(1000, total - 1000), total }
  }

  /** For `alpha.localhost`; made when it is first asked for. */
  get certificate(): Certificate {
    return (this.#certificate ??= makeCertificate(this.folder('certificate')))
  }

  /** The process ids of a proxy, as the native clients want them. */
  watched(target: Running): string {
    return target.pid === undefined ? '' : processTree(target.pid).join(',')
  }

  /** A new directory for one server. */
  folder(name: string): string {
    const folder = mkdtempSync(join(this.directory, `${name}-`))
    chmodSync(folder, 0o755)
    return folder
  }

  /** Has something ended before everything else that this run has started. */
  defer(end: () => Promise<void>): void {
    this.#deferred.push(end)
  }

  async close(): Promise<void> {
    await Promise.all(this.#deferred.map((end) => end()))
    await this.processes.stop()
    rmSync(this.directory, { recursive: true, force: true })
  }

  /** At once; for the end of our own process. */
  abandon(): void {
    this.processes.kill()
    rmSync(this.directory, { recursive: true, force: true })
  }

  /** Moves this process, and what it starts without a core of its own, to the core of the load. */
  leaveTheProxyCore(): void {
    const { status } = spawnSync('taskset', ['-a', '-p', '-c', String(this.loadCore), String(process.pid)])
    if (status !== 0) throw new Error('taskset (util-linux) is needed, and leave to use cores 0 and 1.')
  }
}
