import { posix } from 'node:path'
import type { Import } from './imports.ts'
import type { Manifest, Member } from './workspace.ts'

/** Who may import whom. Paths are from the root of the repository. */
interface Rule {
  /** The packages of this workspace that shipped code may import. */
  workspace: readonly string[]
  /** Whether shipped code may import packages of others, when it declares them. */
  external: boolean
  /** The built-in modules that shipped code must not load. */
  deny?: RegExp
}

const kernel = '@proxy/kernel'
const sockets = /^(net|tls|dns|dns\/promises|dgram)$/

const rules: Record<string, Rule> = {
  'packages/kernel': { workspace: [], external: false, deny: sockets },
  'packages/tls': { workspace: [kernel], external: false, deny: /^(net|dns|dns\/promises|dgram)$/ },
  'packages/transport-epoll': { workspace: [kernel], external: true },
  'packages/testkit': { workspace: [kernel], external: true },
  'packages/test-servers': { workspace: [kernel, '@proxy/testkit', '@proxy/transport-epoll'], external: true },
}
const protocol: Rule = { workspace: [kernel], external: true, deny: sockets }
const client: Rule = { workspace: [kernel], external: true }

/** The files that may load a module which their package must not. */
const exceptions: readonly { module: RegExp; files: RegExp }[] = [
  { module: /^net$/, files: /^packages\/kernel\/src\/transport\// },
  { module: /^dns(\/promises)?$/, files: /^packages\/kernel\/src\/layers\/(guard|dns)/ },
]

const app = '@proxy/gateway'
const forTests = new Set([kernel, '@proxy/tls', '@proxy/testkit', '@proxy/test-servers'])

function ruleOf(folder: string): Rule | undefined {
  if (!folder.startsWith('packages/')) return undefined
  return rules[folder] ?? (/\/(resolver-|telemetry)/.test(folder) ? client : protocol)
}

/** Whether a file is shipped to users, as opposed to a test, a fixture or a configuration. */
const isShipped = (path: string): boolean => path.includes('/src/') && !/\.test\.ts$|\/__fixtures__\//.test(path)

const nameOf = (specifier: string): string =>
  specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/')

/** What is wrong with one import of the file at `path`, which belongs to `member`; undefined when nothing is. */
export function violation(
  path: string,
  { specifier, type }: Import,
  member: Member,
  hoisted: Manifest,
): string | undefined {
  if (specifier.startsWith('.')) return relative(path, specifier, member)
  if (specifier.startsWith('node:')) return type ? undefined : builtin(path, specifier.slice(5), member)
  return external(path, nameOf(specifier), member, hoisted)
}

function relative(path: string, specifier: string, { folder }: Member): string | undefined {
  if (!/\.(ts|json)$/.test(specifier)) return 'a relative import needs its extension'
  const target = posix.join(posix.dirname(path), specifier)
  const shared = !target.includes('/') && !isShipped(path)
  if (!target.startsWith(`${folder}/`) && !shared) return 'other packages are imported by name'
  if (isShipped(path) && !isShipped(target)) return 'shipped code must not import tests'
  return undefined
}

function builtin(path: string, module: string, { folder }: Member): string | undefined {
  const denied = isShipped(path) && ruleOf(folder)?.deny?.test(module)
  if (!denied || exceptions.some((exception) => exception.module.test(module) && exception.files.test(path)))
    return undefined
  return `node:${module} is not for ${path.startsWith('packages/kernel/') ? 'this part of the kernel' : 'this package'}`
}

function external(path: string, name: string, member: Member, hoisted: Manifest): string | undefined {
  const { folder, manifest } = member
  if (name === manifest.name) return isShipped(path) ? 'import your own package by relative path' : undefined
  if (name === app && !folder.startsWith('apps/')) return 'nothing imports an app'
  const shipped = isShipped(path)
  const rule = ruleOf(folder)
  if (rule && name.startsWith('@proxy/')) {
    const allowed = rule.workspace.includes(name) || (!shipped && forTests.has(name))
    if (!allowed) return `${manifest.name} must not import ${name}`
  } else if (rule && shipped && !rule.external) return `${manifest.name} must not depend on other packages`
  return isDeclared(name, manifest, shipped, hoisted) ? undefined : `${name} is not declared in ${folder}/package.json`
}

function isDeclared(name: string, manifest: Manifest, shipped: boolean, hoisted: Manifest): boolean {
  const { dependencies, peerDependencies, optionalDependencies, devDependencies } = manifest
  const sets = [dependencies, peerDependencies, optionalDependencies]
  // A private package ships nothing, so what its code needs may come from the root.
  if (!shipped || manifest.private) sets.push(devDependencies, hoisted.devDependencies)
  return sets.some((set) => set && name in set)
}

/** What is wrong with the dependencies that a published package declares. */
export function manifestViolations({ folder, manifest }: Member): string[] {
  if (manifest.private || !folder.startsWith('packages/')) return []
  const own = Object.keys({ ...manifest.dependencies, ...manifest.optionalDependencies })
  const peers = Object.keys(manifest.peerDependencies ?? {})
  if (manifest.name === kernel) return own.length + peers.length > 0 ? ['the kernel has no dependencies'] : []
  const problems = own.filter((name) => name.startsWith('@proxy/')).map((name) => `${name} must be a peer dependency`)
  if (!peers.includes(kernel)) problems.push(`${kernel} must be a peer dependency`)
  return problems
}
