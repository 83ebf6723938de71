import { execFileSync } from 'node:child_process'

/** How programs are started that refuse to run as root. */
export interface ServerAccount {
  /** Owner of the files; undefined when it is the account of this process. */
  readonly owner: { readonly uid: number; readonly gid: number } | undefined
  /** Command line of `program` under the account. On Linux the program ends with this process, whatever ends that. */
  command(program: string, args: readonly string[]): [string, string[]]
}

export function serverAccount(): ServerAccount {
  const root = process.getuid?.() === 0
  const prefix = setprivPrefix(root)
  if (root && prefix === undefined) throw new Error('PostgreSQL does not run as root, and setpriv is not installed')
  return {
    owner: root ? { uid: idOf('-u'), gid: idOf('-g') } : undefined,
    command: (program, args) =>
      prefix === undefined ? [program, [...args]] : ['setpriv', [...prefix, '--', program, ...args]],
  }
}

// SIGINT is PostgreSQL's fast shutdown.
function setprivPrefix(root: boolean): string[] | undefined {
  if (process.platform !== 'linux' || !installed('setpriv')) return undefined
  const drop = root ? [`--reuid=${idOf('-u')}`, `--regid=${idOf('-g')}`, '--clear-groups'] : []
  return [...drop, '--pdeathsig=INT']
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
