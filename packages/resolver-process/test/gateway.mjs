// A process that has started a backend, and ends or waits to be killed.
import { processResolver } from '@proxy/resolver-process'

const print = (line) => process.stdout.write(`${line}\n`)
const [, , spec, how] = process.argv

const resolver = processResolver({ backends: { one: JSON.parse(spec) }, onOutput: (_name, line) => print(line) })
await resolver.wake({ id: 'one' }, new AbortController().signal)
print('awake')
if (how === 'exit') process.exitCode = 1
if (how === 'exit') setTimeout(() => process.exit(), 500)
else setInterval(() => undefined, 1_000)
