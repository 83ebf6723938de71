import type {
  GuardOptions,
  Layer,
  ListenerLimits,
  ListenerOptions,
  Protocol,
  Relay,
  ResolveFunction,
  Resolver,
  ResolutionRecord,
  TlsMode,
} from '@proxy/kernel'
import type {
  BalanceOptions,
  BreakerOptions,
  CacheOptions,
  ColdStartOptions,
  HealthOptions,
  IdleOptions,
  LimitsOptions,
  RetryOptions,
} from '@proxy/kernel/layers'
import type { HttpOptions } from '@proxy/http'
import type { MongodbOptions } from '@proxy/mongodb'
import type { MysqlOptions } from '@proxy/mysql'
import type { PostgresOptions } from '@proxy/postgres'
import type { RedisSource } from '@proxy/resolver-redis'
import type { SmtpOptions } from '@proxy/smtp'
import type { TcpOptions } from '@proxy/tcp'
import type { MetricOptions, TraceOptions } from '@proxy/telemetry'
import type { TlsOptions } from '@proxy/tls'
import type { DeclaredResolverConfig } from './declared-resolver-types.ts'

/** What `gateway.config.*` holds. Everything but `listeners` and `resolver` has a default. */
export interface GatewayConfig {
  readonly listeners: readonly ListenerConfig[]
  readonly resolver: ResolverConfig
  /** Own policies, outside of those that are configured below. */
  readonly layers?: readonly Layer[] | undefined
  /** Relays to try ahead of the stream relay. */
  readonly relays?: readonly Relay[] | undefined
  /** Remember what the resolver answered. Default on; false asks it for every connection. */
  readonly cache?: CacheOptions | boolean | undefined
  /** Wake backends that the resolver says are asleep. Default on. */
  readonly coldStart?: ColdStartOptions | boolean | undefined
  /** Put backends to sleep that nobody uses, where the resolver can. Default on. */
  readonly idle?: IdleOptions | boolean | undefined
  /** Limits for each tenant. Default off. */
  readonly limits?: LimitsOptions | false | undefined
  /** Try other endpoints of a backend before any byte was sent. Default on. */
  readonly retry?: RetryOptions | boolean | undefined
  /** Spread connections over the endpoints of a backend. Default on. */
  readonly balance?: BalanceOptions | boolean | undefined
  /** Leave endpoints alone that keep failing. Default on. */
  readonly breaker?: BreakerOptions | boolean | undefined
  /** Check the endpoints of backends that have several. Default on. */
  readonly health?: HealthOptions | boolean | undefined
  /** The SSRF guard. Default on, nothing allowed; false dials whatever the resolver says. */
  readonly guard?: GuardOptions | boolean | undefined
  /** Default 5,000 ms. */
  readonly connectTimeoutMs?: number | undefined
  /** Default on, 127.0.0.1:9901. */
  readonly admin?: AdminConfig | boolean | undefined
  /** Worker processes that share the listeners. Default `auto`: one per CPU. */
  readonly workers?: number | 'auto' | undefined
  /**
   * What connections are made by: system calls and epoll, or Node's sockets. Default `auto`: epoll where it can be had, else Node. `epoll`:
   * the gateway does not start where it cannot. Read at the start only.
   */
  readonly transport?: 'auto' | 'node' | 'epoll' | undefined
  /** The other machines that serve the same tenants. Default: there are none. */
  readonly cluster?: ClusterConfig | undefined
  readonly log?: LogConfig | undefined
  /** OpenTelemetry. Default: on where the `OTEL_*` variables name a receiver; false: never. Read at the start only. */
  readonly telemetry?: TelemetryConfig | false | undefined
  readonly drain?: DrainConfig | undefined
}

export interface ListenerConfig {
  /** `host:port`, `[v6]:port`, `:port` (every IPv4 address) or a port number. */
  readonly address: string | number
  /**
   * A name (`http`, `postgres`, `mysql`, `mongodb`, `smtp`, or another one of the registry, routed by `tcp`), a protocol, or
   * several that share the port.
   */
  readonly protocol: string | Protocol | readonly (string | Protocol)[]
  /** Of the protocol, when that is given by its name. */
  readonly options?: ProtocolOptions | undefined
  readonly name?: string | undefined
  readonly tls?: TlsConfig | undefined
  readonly limits?: ListenerLimits | undefined
  readonly proxyProtocol?: ListenerOptions['proxyProtocol']
  /** In milliseconds; 0 = never. Default 0. */
  readonly idleTimeoutMs?: number | undefined
  readonly backlog?: number | undefined
  /** The SSRF guard does not apply to what this listener dials. Default false. */
  readonly skipValidation?: boolean | undefined
  /** Another instance may share the address: both bind with SO_REUSEPORT (a rolling upgrade). Workers need it not. Default false. */
  readonly reusePort?: boolean | undefined
}

export type ProtocolOptions = HttpOptions | PostgresOptions | MysqlOptions | MongodbOptions | SmtpOptions | TcpOptions

/** The options of `tls()`, and a short form for one certificate. */
export interface TlsConfig extends Omit<TlsOptions, 'mode'> {
  /** Default `implicit`; for PostgreSQL, MySQL and SMTP `negotiated`. */
  readonly mode?: TlsMode | undefined
  /** PEM text or path: the same as the first entry of `certificates`. */
  readonly cert?: string | Buffer | undefined
  readonly key?: string | Buffer | undefined
}

/**
 * A resolver, a function, the path of a module whose default export is one of these, or a declaration:
 * `{ static: { key: 'host:port' } }`, `{ fixed: 'host:port' }`, or a resolver of a package by its name.
 */
export type ResolverConfig =
  | string
  | Resolver
  | ResolveFunction
  | StaticResolverConfig
  | FixedResolverConfig
  | DeclaredResolverConfig

export interface StaticResolverConfig {
  readonly static: Readonly<Record<string, string | ResolutionRecord>>
}

export interface FixedResolverConfig {
  readonly fixed: string | ResolutionRecord
}

/** How the machines of a cluster find each other. */
export interface ClusterConfig {
  /** A URL, options of ioredis (`{ host, port }`, `{ sentinels, name }`), or `{ cluster: ['host:port'] }`. */
  readonly redis: RedisSource
  /** The same for all machines of a cluster. Default `proxy:`. */
  readonly prefix?: string | undefined
  /**
   * Call `wake` and `sleep` of the resolver at one machine at a time, for resolvers whose backends every machine reaches; `redis`
   * does so anyway. Default false.
   */
  readonly lockWakes?: boolean | undefined
  /** Of this machine, for people. Default: the host's name. */
  readonly name?: string | undefined
}

export interface AdminConfig {
  /** `host:port` or a port of 127.0.0.1. Default `127.0.0.1:9901`. */
  readonly address?: string | number | undefined
  /** Whoever sends it may drain, purge and kill; visible ASCII, at least 16 characters. Default: `ADMIN_TOKEN` of the environment; without one nobody may. */
  readonly token?: string | undefined
  /** Names under which browsers may reach it, beside addresses and localhost. Default: none. */
  readonly hosts?: readonly string[] | undefined
  /** Tenants that have series of their own in /metrics; the others are counted together. Default 200. */
  readonly maxTenants?: number | undefined
}

export type LogLevel = 'fatal' | 'error' | 'warn' | 'info' | 'debug' | 'trace' | 'silent'

/** What is sent to an OpenTelemetry collector, by every worker. */
export interface TelemetryConfig {
  /** Base URL of an OTLP/HTTP receiver, as `http://collector:4318`. Default: what the `OTEL_EXPORTER_OTLP_*` variables say. */
  readonly otlp?: string | undefined
  /** Spans of sessions and HTTP requests; `ratio` of those that begin here. Default on, 0.01. */
  readonly traces?: TraceOptions | boolean | undefined
  /** Metrics, every `intervalMs`. Default on, 60,000 ms. */
  readonly metrics?: MetricOptions | boolean | undefined
  /** Attributes of the gateway, as `{ 'service.name': 'edge' }`. */
  readonly resource?: Readonly<Record<string, string | number>> | undefined
}

export interface AccessLogConfig {
  /** Default: the standard output. Opened anew at every reload. */
  readonly file?: string | undefined
  /** A line for every HTTP request, too. Default false. */
  readonly requests?: boolean | undefined
}

export interface LogConfig {
  /** Default `info`. One line per session at `debug`. */
  readonly level?: LogLevel | undefined
  /** For people instead of machines. Default: when the output is a terminal. */
  readonly pretty?: boolean | undefined
  /** One line for every session, or for every request too. Default off. Read at the start only. */
  readonly access?: AccessLogConfig | boolean | undefined
}

export interface DrainConfig {
  /** Go on accepting for so long after /readyz says 503. Default 0 ms. */
  readonly delayMs?: number | undefined
  /** Sessions that are left after this are ended. Default 30,000 ms. */
  readonly deadlineMs?: number | undefined
}
