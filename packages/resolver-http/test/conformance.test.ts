import { httpResolver } from '@proxy/resolver-http'
import { resolverConformance } from '@proxy/testkit'
import { afterAll } from 'vitest'
import { ControlPlaneServer } from './control-plane-server.ts'

const known = [
  { key: 'alpha', endpoint: '10.1.0.1:5432' },
  { key: 'beta.example', endpoint: '10.1.0.2:5432' },
  { key: 'sleepy', endpoint: '10.1.0.3:5432' },
]

const plane = await new ControlPlaneServer().open()
afterAll(() => plane[Symbol.asyncDispose]())

plane.reply = ({ method, url }, response) => {
  if (method === 'POST') return void response.end('"10.1.0.3:5432"')
  const key = new URL(url, 'http://plane').searchParams.get('key')
  const found = known.find((one) => one.key === key)
  if (found === undefined) return void response.writeHead(404).end()
  response.end(JSON.stringify({ endpoint: found.endpoint, state: key === 'sleepy' ? 'asleep' : 'ready' }))
}

resolverConformance({
  name: 'httpResolver',
  resolver: () => httpResolver({ url: plane.url, wakeUrl: `${plane.url}/wake` }),
  known,
  unknown: 'gamma',
  asleep: 'sleepy',
})
