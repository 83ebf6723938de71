import { type Disposer, GatewayError, type Hooks } from '@proxy/kernel'
import { watchFiles } from './file-watch.ts'
import type { TlsReloadEvent } from './hooks.ts'
import { IdentityTable } from './identity-table.ts'
import type { TlsOptions } from './options.ts'
import { type Files, pathsOf, readFiles, readFilesSync, sameFiles } from './pem.ts'

const defaultReloadIntervalMs = 60_000

/** The certificates in use, replaced as a whole when their files change. */
export class Certificates {
  readonly #options: TlsOptions
  readonly #paths: readonly string[]
  /** One for each listener that is open; several may share their hooks. */
  readonly #watchers: Set<{ readonly hooks: Hooks }> = new Set()
  #table: IdentityTable
  /** What was tried last, good or bad, so that a bad file is reported once. */
  #tried: Files
  #reloading: Promise<void> = Promise.resolve()
  #unwatch: Disposer | undefined = undefined

  /** Reads every file. Throws `PROXY_CONFIG_INVALID`. */
  constructor(options: TlsOptions) {
    this.#options = options
    this.#paths = pathsOf(options)
    this.#tried = readFirst(this.#paths)
    this.#table = new IdentityTable(options, this.#tried)
  }

  get table(): IdentityTable {
    return this.#table
  }

  /** Watches the files until disposed of; events go to `hooks`. */
  watch(hooks: Hooks): Disposer {
    const watcher = { hooks }
    this.#watchers.add(watcher)
    this.#unwatch ??= watchFiles(
      this.#paths,
      this.#options.reloadIntervalMs ?? defaultReloadIntervalMs,
      () => void this.reload().catch((error: unknown) => this.#report(error)),
      (error) => this.#report(error),
    )
    return () => this.#leave(watcher)
  }

  /** Reads the files again. Rejects with `PROXY_CONFIG_INVALID`, and the old certificates stay, when they are bad. */
  reload(): Promise<void> {
    const reloaded = this.#reloading.then(() => this.#reload())
    this.#reloading = reloaded.catch(() => undefined)
    return reloaded
  }

  async #reload(): Promise<void> {
    const files = await readFiles(this.#paths).catch((error: unknown) => {
      throw unreadable(error)
    })
    if (sameFiles(files, this.#tried)) return
    this.#tried = files
    const old = this.#table
    this.#table = new IdentityTable(this.#options, files, old)
    const { identities } = this.#table
    const changed = identities.filter((identity) => !old.identities.includes(identity)).length
    this.#announce({ certificates: identities.length, changed })
  }

  #announce(event: TlsReloadEvent): void {
    for (const hooks of this.#hooks()) hooks.emit('tls:reload', event)
  }

  #report(error: unknown): void {
    for (const hooks of this.#hooks()) hooks.emit('gateway:error', { source: 'tls:reload', error })
  }

  #hooks(): Set<Hooks> {
    return new Set([...this.#watchers].map(({ hooks }) => hooks))
  }

  #leave(watcher: { readonly hooks: Hooks }): void {
    this.#watchers.delete(watcher)
    if (this.#watchers.size > 0) return
    this.#unwatch?.()
    this.#unwatch = undefined
  }
}

function readFirst(paths: readonly string[]): Files {
  try {
    return readFilesSync(paths)
  } catch (error) {
    throw unreadable(error)
  }
}

function unreadable(cause: unknown): GatewayError {
  return new GatewayError('PROXY_CONFIG_INVALID', { message: 'tls: a certificate file cannot be read', cause })
}
