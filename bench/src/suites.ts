import type { SuiteName } from './options.ts'
import type { Suite } from './suite.ts'
import { http2Suites } from './suites/http2.ts'
import { httpSuite } from './suites/http.ts'
import { httpsSuite } from './suites/https.ts'
import { mongodbSuite } from './suites/mongodb.ts'
import { mysqlSuite } from './suites/mysql.ts'
import { pgbenchSuite } from './suites/pgbench.ts'
import { scalingSuites } from './suites/scaling.ts'
import { smtpSuite } from './suites/smtp.ts'
import { tcpSuite } from './suites/tcp.ts'
import { telemetrySuites } from './suites/telemetry.ts'

/** What the command line calls a suite, and the one or more that it is. */
export const suites: Readonly<Record<SuiteName, readonly Suite[]>> = {
  tcp: [tcpSuite],
  http: [httpSuite, httpsSuite, ...http2Suites],
  pgbench: [pgbenchSuite],
  scaling: scalingSuites,
  mysql: [mysqlSuite],
  mongodb: [mongodbSuite],
  smtp: [smtpSuite],
  telemetry: telemetrySuites,
}
