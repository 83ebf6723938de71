import type { Bench } from '../bench.ts'
import { measureClient, waitSample, warmed } from '../client-load.ts'
import { freePort, listening } from '../ports.ts'
import { measureMailing } from '../smtp-source.ts'
import type { Address } from '../subject.ts'
import { direct } from '../subjects/direct.ts'
import { gateway, gatewayEpoll } from '../subjects/gateway.ts'
import { haproxy } from '../subjects/haproxy.ts'
import type { Suite, Workload } from '../suite.ts'

const sessions = 16
const backlog = 1024

const mails = (id: string, name: string, bytes: number, kept: boolean): Workload => ({
  id,
  name: `smtp-source: ${name}, ${sessions} at a time`,
  unit: 'msg/s',
  run: (bench, target, span) =>
    warmed(span, (seconds) => measureMailing(bench, target, { sessions, bytes, kept, seconds })),
})

const latency: Workload = {
  id: 'latency',
  name: 'nodemailer: a message of 4 KiB on an open session, 1 client, median (less is better)',
  unit: 'us',
  run: async (bench, target, { seconds }) =>
    waitSample(await measureClient(bench, 'smtp.ts', target, { mode: 'send', concurrency: 1, seconds })),
}

const startBackend = async (bench: Bench): Promise<Address> => {
  const port = await freePort()
  const sink = bench.processes.start('smtp-sink', [`127.0.0.1:${port}`, String(backlog)], {
    core: bench.loadCore,
    unprivileged: true,
    cwd: '/',
  })
  await listening(port, () => (sink.ended === undefined ? undefined : `${sink.ended} ${sink.complaint.trim()}`))
  return { host: '127.0.0.1', port }
}

export const smtpSuite: Suite = {
  name: 'smtp',
  reference: 'haproxy',
  subjects: [gateway('smtp'), gatewayEpoll('smtp'), haproxy('tcp'), direct],
  workloads: [
    mails('kept-4k', '4 KiB, sessions kept', 4 * 1024, true),
    mails('kept-100k', '100 KiB, sessions kept', 100 * 1024, true),
    mails('connect', '4 KiB, a session for each', 4 * 1024, false),
    latency,
  ],
  plan: { rounds: 3, seconds: 4, warmup: 0, firstWarmup: 1.5 },
  quickPlan: { rounds: 1, seconds: 1, warmup: 0, firstWarmup: 0 },
  startBackend,
}
