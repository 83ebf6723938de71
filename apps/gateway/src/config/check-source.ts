import { Gateway } from '@proxy/kernel'
import { elsewhere } from '../embedded/config.ts'
import { noBackends } from '../embedded/plan.ts'
import type { Environment } from '../env/variables.ts'
import { messageOf } from '../fleet/failure.ts'
import { chooseTransport } from '../fleet/transport.ts'
import { PeerLink } from '../fleet/peer-link.ts'
import { assemble } from './assemble.ts'
import { loadSource } from './load.ts'
import { ConfigError } from './problems.ts'
import { resolverOf } from './resolver-of.ts'
import type { ConfigSource } from './source.ts'

/** Everything short of binding: modules are loaded, certificates read. Settles with the name of what was checked. */
export async function checkSource(source: ConfigSource, env: Environment, cwd: string): Promise<string> {
  const peers = new PeerLink(0, () => false)
  const loaded = await loadSource(source, {
    env,
    cwd,
    generation: 0,
    embedded: { plan: noBackends, resolver: elsewhere },
  })
  chooseTransport(loaded, 1, () => undefined)
  const resolver = await resolverOf(loaded)
  try {
    void new Gateway(assemble(loaded, { resolver, peers, ticketKeys: Buffer.alloc(48), observers: [] }))
  } catch (error) {
    if (error instanceof ConfigError) throw error
    throw new ConfigError(loaded.source, [{ path: '', message: messageOf(error) }], error)
  } finally {
    if (typeof resolver === 'object') await resolver.close?.()
  }
  return loaded.source
}
