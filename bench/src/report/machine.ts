import { cpus, release, totalmem } from 'node:os'

/** What figures are of. */
export interface Machine {
  readonly cpu: string
  readonly cores: number
  readonly memoryGib: number
  readonly kernel: string
  readonly node: string
}

export const thisMachine = (): Machine => ({
  cpu: cpus()[0]?.model.trim() ?? 'unknown',
  cores: cpus().length,
  memoryGib: Math.round(totalmem() / 2 ** 30),
  kernel: release(),
  node: process.version,
})

export const machineText = ({ cpu, cores, memoryGib, kernel, node }: Machine): string =>
  `${cpu}, ${cores} cores, ${memoryGib} GiB, Linux ${kernel}, Node ${node}`
