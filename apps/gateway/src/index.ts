export type {
  DeclaredResolverConfig,
  DockerResolverConfig,
  HttpResolverConfig,
  KubernetesResolverConfig,
  ProcessResolverConfig,
  RedisResolverConfig,
} from './config/declared-resolver-types.ts'
export { ConfigError, type ConfigProblem } from './config/problems.ts'
export type {
  AccessLogConfig,
  AdminConfig,
  ClusterConfig,
  DrainConfig,
  FixedResolverConfig,
  GatewayConfig,
  ListenerConfig,
  LogConfig,
  LogLevel,
  ProtocolOptions,
  ResolverConfig,
  StaticResolverConfig,
  TelemetryConfig,
  TlsConfig,
} from './config/types.ts'
export { defineGateway } from './define.ts'
export { type BoundListener } from './fleet/unit.ts'
export { loadConfig, type LoadConfigOptions } from './load-config.ts'
export { type RunningGateway, startGateway, type StartOptions } from './start-gateway.ts'
