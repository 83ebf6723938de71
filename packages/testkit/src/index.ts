export { type Bytes } from './bytes.ts'
export type { Check, Skips } from './check.ts'
export { type FakeClock, fakeClock } from './clock.ts'
export { arbitrarySplits, everySplit, garbage, mutated } from './fuzz.ts'
export { fuzzed } from './fuzzed.ts'
export type { Splitter } from './memory-link.ts'
export {
  type ClientOptions,
  type Fault,
  type MemoryBackend,
  memoryTransport,
  type MemoryTransport,
  type MemoryTransportOptions,
} from './memory-transport.ts'
export { pattern } from './pattern.ts'
export { Peer } from './peer.ts'
export { protocolChecks, protocolConformance, type ProtocolConformance } from './protocol/conformance.ts'
export type { ProtocolFixture, ProtocolSubject, ReadySubject, SecureFixture } from './protocol/subject.ts'
export { relayChecks, relayConformance, type RelayConformance } from './relay/conformance.ts'
export type { RelaySubject } from './relay/subject.ts'
export { secureAsClient, testTls, type TestTlsOptions } from './tls/test-tls.ts'
export { type SilentListener, silentListener } from './transport/silent-listener.ts'
export { transportChecks, transportConformance, type TransportConformance } from './transport/conformance.ts'
export type { TransportSubject } from './transport/subject.ts'
export { settle, turn, until, within } from './waiting.ts'
export { layerChecks, layerConformance, type LayerConformance } from './layer/conformance.ts'
export type { LayerSubject } from './layer/subject.ts'
export { resolverChecks, resolverConformance, type ResolverConformance } from './resolver/conformance.ts'
export type { KnownKey, ResolverSubject } from './resolver/subject.ts'
