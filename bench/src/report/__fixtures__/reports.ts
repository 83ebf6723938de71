import type { Sample } from '../../row.ts'
import type { MeasuredWorkload, Report } from '../data.ts'

export const machine = { cpu: 'A CPU', cores: 2, memoryGib: 4, kernel: '6.1', node: 'v24.0.0' } as const

/** Two rounds around a figure. */
export const around = (perProxyCpuSecond: number, p50Us = 100): Sample[] =>
  [0.75, 1.25].map((factor) => ({
    value: perProxyCpuSecond * factor,
    perProxyCpuSecond: perProxyCpuSecond * factor,
    p50Us,
    p99Us: p50Us * 2,
  }))

export const workload = (
  suite: string,
  id: string,
  samples: Readonly<Record<string, readonly Sample[]>>,
  more: Partial<MeasuredWorkload> = {},
): MeasuredWorkload => ({
  suite,
  id,
  workload: `${id} of ${suite}`,
  unit: 'req/s',
  reference: 'haproxy',
  seconds: 1,
  date: '2026-01-02T03:04:05.000Z',
  entries: Object.entries(samples).map(([subject, all]) => ({ subject, version: '1', samples: all })),
  ...more,
})

export const reportOf = (...workloads: readonly MeasuredWorkload[]): Report => ({ machine, workloads })
