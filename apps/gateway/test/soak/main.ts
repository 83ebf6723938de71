/** `npm run soak -- --minutes 30 [--seed 1] [--clients 2] [--out report.md]` */
import { parseArgs } from 'node:util'
import { passed, report, soak, writeReport } from './soak.ts'

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '30' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    clients: { type: 'string', default: '2' },
    out: { type: 'string' },
  },
})

const result = await soak({
  minutes: Number(values.minutes),
  seed: Number(values.seed),
  clients: Number(values.clients),
})
process.stdout.write(report(result))
if (values.out !== undefined) writeReport(values.out, result)
process.exit(passed(result) ? 0 : 1)
