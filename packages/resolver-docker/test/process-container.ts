import { randomBytes } from 'node:crypto'
import { type Launched, launch } from '@proxy/test-servers'

export interface ContainerOptions {
  readonly name: string
  readonly labels?: Readonly<Record<string, string>> | undefined
  /** What runs in it, given the port that it publishes. */
  readonly command: (port: number) => readonly [program: string, ...args: string[]]
  readonly hostPort: number
  /** The port "inside". */
  readonly port: number
  /** Asked for again and again while it runs, as a HEALTHCHECK is. */
  readonly healthcheck?: ((port: number) => Promise<boolean>) | undefined
  /** Error of the engine for its start. */
  readonly startFails?: string | undefined
  readonly exposed?: readonly number[] | undefined
}

type Status = 'created' | 'running' | 'paused' | 'exited'

const HEALTH_INTERVAL_MS = 20

/** A "container": a child process that listens on the port which the container is said to publish. */
export class ProcessContainer {
  readonly id: string = randomBytes(32).toString('hex')
  readonly options: ContainerOptions
  name: string
  status: Status = 'created'
  exitCode = 0
  health: 'starting' | 'healthy' | 'unhealthy' | undefined
  starts = 0
  readonly #emit: (action: string, container: ProcessContainer) => void
  #process: Launched | undefined
  #probing: NodeJS.Timeout | undefined

  constructor(options: ContainerOptions, emit: (action: string, container: ProcessContainer) => void) {
    this.options = options
    this.name = options.name
    this.#emit = emit
  }

  get pid(): number | undefined {
    return this.#process?.running === true ? this.#process.pid : undefined
  }

  /** False: it runs already. */
  start(): boolean {
    if (this.status === 'running' || this.status === 'paused') return false
    const [program, ...args] = this.options.command(this.options.hostPort)
    const launched = launch(program, args)
    this.#process = launched
    this.starts++
    this.status = 'running'
    void launched.exited.then(({ code }) => this.#died(launched, code ?? 137))
    this.#emit('start', this)
    if (this.options.healthcheck !== undefined) this.#beginProbing(this.options.healthcheck)
    return true
  }

  async stop(graceMs: number): Promise<boolean> {
    if (this.status !== 'running' && this.status !== 'paused') return false
    if (this.status === 'paused') this.#process?.signal('SIGCONT')
    await this.#process?.stop('SIGTERM', graceMs)
    return true
  }

  pause(): boolean {
    if (this.status !== 'running') return false
    this.#process?.signal('SIGSTOP')
    this.status = 'paused'
    this.#emit('pause', this)
    return true
  }

  unpause(): boolean {
    if (this.status !== 'paused') return false
    this.#process?.signal('SIGCONT')
    this.status = 'running'
    this.#emit('unpause', this)
    return true
  }

  inspect(): object {
    const { hostPort, port, labels = {}, exposed = [port] } = this.options
    const runs = this.status === 'running' || this.status === 'paused'
    const health = this.health === undefined ? {} : { Health: { Status: this.health, FailingStreak: 0, Log: [] } }
    return {
      Id: this.id,
      Name: `/${this.name}`,
      State: {
        Status: this.status,
        Running: runs,
        Paused: this.status === 'paused',
        ExitCode: this.exitCode,
        Error: '',
        ...health,
      },
      Config: { Labels: labels, ExposedPorts: Object.fromEntries(exposed.map((number) => [`${number}/tcp`, {}])) },
      HostConfig: { NetworkMode: 'tenants' },
      NetworkSettings: {
        Ports: runs ? { [`${port}/tcp`]: [{ HostIp: '0.0.0.0', HostPort: String(hostPort) }] } : {},
        Networks: { tenants: { IPAddress: runs ? '127.0.0.1' : '' } },
      },
    }
  }

  #beginProbing(check: (port: number) => Promise<boolean>): void {
    this.health = 'starting'
    const probe = (): void => {
      void check(this.options.hostPort)
        .catch(() => false)
        .then((healthy) => {
          if (this.#probing === undefined) return
          if (healthy || this.health === 'healthy') this.#setHealth(healthy ? 'healthy' : 'unhealthy')
          this.#probing = setTimeout(probe, HEALTH_INTERVAL_MS)
        })
    }
    this.#probing = setTimeout(probe, HEALTH_INTERVAL_MS)
  }

  #setHealth(health: 'healthy' | 'unhealthy'): void {
    if (this.health === health) return
    this.health = health
    this.#emit(`health_status: ${health}`, this)
  }

  #died(process: Launched, code: number): void {
    if (this.#process !== process) return
    clearTimeout(this.#probing)
    this.#probing = undefined
    this.health = this.options.healthcheck === undefined ? undefined : 'unhealthy'
    this.status = 'exited'
    this.exitCode = code
    this.#emit('die', this)
  }
}
