import { backend, type LayerContext } from '@proxy/kernel'
import { describeNeeding, mongoServer } from '@proxy/test-servers'
import { expect, test } from 'vitest'
import { openGateway, to } from './setup.ts'

describeNeeding(['ferretdb'], 'a probe', () => {
  test('finds a server ready that serves, and not one that is down', async () => {
    const server = await mongoServer({ users: [{ name: 'demo', password: 'demo', database: 'alpha' }] })
    let context: LayerContext | undefined
    await using gateway = await openGateway(to(server), {
      layers: [{ name: 'prober', setup: (given) => void (context = given) }],
    })
    const target = { backend: backend(server.endpoint), key: 'alpha', listener: 'mongodb', protocol: 'mongodb' }
    const probe = (): Promise<void> => context!.probe(target, new AbortController().signal)
    for (let i = 0; i < 10; i++) await probe()
    await server.halt('SIGKILL')
    await expect(probe()).rejects.toMatchObject({ code: 'PROXY_DIAL_REFUSED' })
    await server.stop()
    expect(gateway.dials).toHaveLength(11)
  })
})
