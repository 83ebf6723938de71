import { execFileSync } from 'node:child_process'

/** How programs are started that refuse to run as root. */
export interface ServerAccount {
  /** Owner of the files; undefined when it is the account of this process. */
  readonly owner: { readonly uid: number; readonly gid: number } | undefined
  /** Command line of `program` under the account. On Linux it gets `farewell` when this process ends, whatever ends that. */
  command(program: string, args: readonly string[], farewell: NodeJS.Signals): [string, string[]]
}

/** `title` is the server's name, for messages. */
export function serverAccount(title: string): ServerAccount {
  const root = process.getuid?.() === 0
  const prefix = setprivPrefix(root)
  if (root && prefix === undefined) throw new Error(`${title} does not run as root, and setpriv is not installed`)
  return {
    owner: root ? { uid: idOf('-u'), gid: idOf('-g') } : undefined,
    command: (program, args, farewell) =>
      prefix === undefined
        ? [program, [...args]]
        : ['setpriv', [...prefix, `--pdeathsig=${farewell.slice('SIG'.length)}`, '--', program, ...args]],
  }
}

function setprivPrefix(root: boolean): string[] | undefined {
  if (process.platform !== 'linux' || !installed('setpriv')) return undefined
  return root ? [`--reuid=${idOf('-u')}`, `--regid=${idOf('-g')}`, '--clear-groups'] : []
}

function installed(program: string): boolean {
  try {
    execFileSync(program, ['--version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

const idOf = (flag: string): number => Number(execFileSync('id', [flag, 'nobody'], { encoding: 'utf8' }))
