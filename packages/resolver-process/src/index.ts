export type { Command } from './command-line.ts'
export { freePort } from './free-port.ts'
export { LocalProcess, type ProcessEvents } from './local-process.ts'
export type { LocalServer, MakeServer } from './local-server.ts'
export type {
  BackendSpec,
  ProcessReady,
  ProcessResolverOptions,
  ProcessSpec,
  ProcessUser,
  ResolutionFacts,
  ServerSpec,
} from './options.ts'
export { type ProcessResolver, processResolver } from './process-resolver.ts'
export { runCommand } from './run-command.ts'
