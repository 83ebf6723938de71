import type { Link } from '@proxy/kernel'
import { strictTransport } from './strict.ts'

const say = (line: string): void => void process.stdout.write(`${line}\n`)

let accepted = 0
let said = false

const handler = { onData() {}, onDrain() {}, onEnd: (link: Link) => link.end(), onClose() {} }

const binding = await strictTransport().listen(
  { host: '127.0.0.1', port: 0 },
  {
    onLink(link) {
      link.attach(handler)
      link.resume()
      if (++accepted === 60) say('all 60')
    },
    onError(error) {
      if (said) return
      said = true
      say(`error ${(error as NodeJS.ErrnoException).code}`)
      say(`accepted ${accepted}`)
    },
  },
)
say(`port ${binding.address.port}`)
