import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** The repository's root, with a trailing slash. */
export const root: string = fileURLToPath(new URL('..', import.meta.url))

export interface Manifest {
  name: string
  version: string
  private?: boolean
  exports?: Record<string, string | { types: string; default: string }>
  dependencies?: Record<string, string>
  devDependencies?: Record<string, string>
  peerDependencies?: Record<string, string>
  optionalDependencies?: Record<string, string>
}

export interface Member {
  /** From the root, as in `packages/kernel`. */
  folder: string
  manifest: Manifest
}

export const readManifest = (folder: string): Manifest =>
  JSON.parse(readFileSync(`${root}${folder}/package.json`, 'utf8')) as Manifest

const folders = (parent: string): string[] => readdirSync(root + parent).map((name) => `${parent}/${name}`)

/** Every package of the workspace but the root. */
export function members(): Member[] {
  return [...folders('packages'), ...folders('apps'), 'bench']
    .filter((folder) => existsSync(`${root}${folder}/package.json`))
    .map((folder) => ({ folder, manifest: readManifest(folder) }))
}

/** The packages that go to the registry. */
export const published = (): Member[] => members().filter(({ manifest }) => !manifest.private)

const generated = new Set(['node_modules', 'dist', 'coverage', '.git', '.turbo', '.pnpm-store', '.changeset-pack'])

/** Every file below `folder` (from the root) that is not generated, as a path from the root. */
export function files(folder: string): string[] {
  const below = folder === '' ? '' : `${folder}/`
  return readdirSync(root + folder, { withFileTypes: true }).flatMap((entry) => {
    if (generated.has(entry.name)) return []
    return entry.isDirectory() ? files(below + entry.name) : entry.isFile() ? [below + entry.name] : []
  })
}
