import { gatewayEpoll, gatewayLines, gatewayWatched } from '../subjects/gateway.ts'
import type { Suite } from '../suite.ts'
import { httpSuite } from './http.ts'
import { pgbenchSuite } from './pgbench.ts'
import { tcpSuite } from './tcp.ts'

/** The gateway on epoll, with everything on against itself with nothing on: the ratio is what is left. */
const against = (suite: Suite, protocol: 'http' | 'tcp' | 'postgres', workloads: readonly string[]): Suite => ({
  ...suite,
  name: `telemetry-${suite.name}`,
  reference: 'gateway-epoll',
  subjects: [
    gatewayEpoll(protocol),
    gatewayWatched(protocol),
    ...(protocol === 'http' ? [gatewayLines(protocol)] : []),
  ],
  workloads: suite.workloads.filter(({ id }) => workloads.includes(id)),
  // The difference is small: many rounds, once everything is compiled.
  plan: { ...suite.plan, rounds: 9, firstWarmup: 3 },
})

export const telemetrySuites: readonly Suite[] = [
  against(httpSuite, 'http', ['get', 'get-1k', 'post-1k']),
  against(tcpSuite, 'tcp', ['rr-64', 'bulk', 'rate']),
  against(pgbenchSuite, 'postgres', ['select', 'connect']),
]
