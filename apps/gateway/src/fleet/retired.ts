import { SampleStore } from '@proxy/telemetry'
import { mergedListeners, mergedRecords, mergedTenants, type WorkerSnapshot } from '../admin/snapshot.ts'
import { defaultMaxTenants } from '../config/defaults.ts'

const most = 8

/** Keeps the last snapshot of a worker that is gone. However many there have been, a few records hold all of their counters. */
export function retire(retired: WorkerSnapshot[], last: WorkerSnapshot): void {
  retired.push(last)
  if (retired.length > most) retired.splice(0, 2, together(retired[0]!, retired[1]!))
}

function together(a: WorkerSnapshot, b: WorkerSnapshot): WorkerSnapshot {
  const both = { workers: [], retired: [a, b], maxTenants: defaultMaxTenants }
  const samples = new SampleStore()
  samples.merge(a.samples)
  samples.merge(b.samples)
  const layers = mergedRecords([a.gateway.layers, b.gateway.layers]) as WorkerSnapshot['gateway']['layers']
  return {
    ...b,
    samples: samples.snapshot(),
    tenants: mergedTenants(both),
    gateway: { ...b.gateway, listeners: mergedListeners(both), layers },
  }
}
