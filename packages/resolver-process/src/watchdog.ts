import { type ChildProcess, spawn } from 'node:child_process'

// Reads which groups there are until this process is gone, however it went; kills what is left of each when its time is over.
const script = `
groups=
while read -r what group; do
  case $what in
    +) groups="$groups $group" ;;
    -) rest=
       for one in $groups; do [ "\${one%:*}" = "$group" ] || rest="$rest $one"; done
       groups=$rest ;;
  esac
done
for one in $groups; do
  ( sleep "\${one#*:}"; kill -s KILL -- "-\${one%:*}" ) 2>/dev/null &
done
`

let shell: ChildProcess | undefined
let watched = 0

/**
 * Has a process group killed `graceMs` after this process has died without ending it, by SIGKILL for one. The answer takes that
 * back. Needs a POSIX shell; without one nothing happens.
 */
export function watchOver(group: number, graceMs: number): () => void {
  shell ??= startShell()
  watched++
  tell(`+ ${group}:${Math.ceil(graceMs / 1_000)}`)
  let over = false
  return () => {
    if (over) return
    over = true
    tell(`- ${group}`)
    watched--
    if (watched === 0) endShell()
  }
}

function startShell(): ChildProcess | undefined {
  if (process.platform === 'win32') return undefined
  // In a group of its own, out of the reach of Ctrl-C.
  const child = spawn('/bin/sh', ['-c', script], { detached: true, stdio: ['pipe', 'ignore', 'ignore'] })
  child.on('error', () => undefined)
  child.stdin?.on('error', () => undefined)
  child.unref()
  // Its end of the pipe is a socket, which would keep this process alive.
  ;(child.stdin as { unref?: () => void } | null)?.unref?.()
  return child
}

const tell = (line: string): void => void shell?.stdin?.write(`${line}\n`)

function endShell(): void {
  shell?.stdin?.end()
  shell = undefined
}
