import type { GatewayConfig } from './config/types.ts'

/** Gives a config file its types: `export default defineGateway({ ... })`. */
export function defineGateway(config: GatewayConfig): GatewayConfig {
  return config
}
