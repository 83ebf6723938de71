import type { Attributes } from '@opentelemetry/api'
import type { Endpoint, RequestEndEvent, SessionEndEvent } from '@proxy/kernel'
import {
  ATTR_CLIENT_ADDRESS,
  ATTR_CLIENT_PORT,
  ATTR_DB_SYSTEM_NAME,
  ATTR_HTTP_REQUEST_METHOD,
  ATTR_HTTP_REQUEST_METHOD_ORIGINAL,
  ATTR_HTTP_RESPONSE_STATUS_CODE,
  ATTR_NETWORK_PROTOCOL_NAME,
  ATTR_NETWORK_PROTOCOL_VERSION,
  ATTR_NETWORK_TRANSPORT,
  ATTR_SERVER_ADDRESS,
  ATTR_SERVER_PORT,
  ATTR_URL_PATH,
  ATTR_URL_SCHEME,
} from '@opentelemetry/semantic-conventions'
import { knownMethod, otherMethod } from './request-series.ts'

/** Databases by the names of OpenTelemetry's semantic conventions. */
const databases: Readonly<Record<string, string>> = {
  postgres: 'postgresql',
  postgresql: 'postgresql',
  mysql: 'mysql',
  mongodb: 'mongodb',
  redis: 'redis',
  mssql: 'microsoft.sql_server',
  oracle: 'oracle.db',
  cassandra: 'cassandra',
  clickhouse: 'clickhouse',
  elasticsearch: 'elasticsearch',
  cockroachdb: 'cockroachdb',
  couchbase: 'couchbase',
  neo4j: 'neo4j',
  memcached: 'memcached',
}

export function sessionAttributes(event: SessionEndEvent): Attributes {
  const { listener, protocol, key, tls } = event
  const database = databases[protocol]
  return {
    [ATTR_NETWORK_TRANSPORT]: 'tcp',
    [ATTR_NETWORK_PROTOCOL_NAME]: protocol,
    [ATTR_CLIENT_ADDRESS]: event.client.host,
    [ATTR_CLIENT_PORT]: event.client.port,
    'proxy.session': event.session,
    'proxy.listener': listener,
    'proxy.outcome': event.outcome,
    'proxy.reason': event.reason,
    'proxy.bytes_from_client': event.bytesFromClient,
    'proxy.bytes_to_client': event.bytesToClient,
    ...(key === undefined ? {} : { 'proxy.key': key }),
    ...(database === undefined ? {} : { [ATTR_DB_SYSTEM_NAME]: database }),
    ...(tls === undefined ? {} : { 'tls.protocol.version': tls.version }),
  }
}

/** Of the span that the client waits for. */
export function serverAttributes(event: RequestEndEvent, scheme: string, client: string): Attributes {
  return {
    ...requestAttributes(event),
    [ATTR_URL_SCHEME]: scheme,
    [ATTR_URL_PATH]: event.path,
    [ATTR_CLIENT_ADDRESS]: client,
    [ATTR_SERVER_ADDRESS]: event.key,
    'proxy.session': event.session,
    'proxy.listener': event.listener,
    'proxy.key': event.key,
  }
}

/** Of the span that waits for the backend. */
export function clientAttributes(event: RequestEndEvent): Attributes {
  return { ...requestAttributes(event), ...endpointAttributes(event.endpoint) }
}

export function endpointAttributes(endpoint: Endpoint | undefined): Attributes {
  if (endpoint === undefined) return {}
  const { host, port } = endpoint
  return port === undefined
    ? { [ATTR_SERVER_ADDRESS]: host }
    : { [ATTR_SERVER_ADDRESS]: host, [ATTR_SERVER_PORT]: port }
}

function requestAttributes({ method, status, version }: RequestEndEvent): Attributes {
  return {
    ...methodAttributes(method),
    [ATTR_NETWORK_PROTOCOL_NAME]: 'http',
    [ATTR_NETWORK_PROTOCOL_VERSION]: version,
    ...(status === 0 ? {} : { [ATTR_HTTP_RESPONSE_STATUS_CODE]: status }),
  }
}

const methodAttributes = (method: string): Attributes =>
  knownMethod(method) === method
    ? { [ATTR_HTTP_REQUEST_METHOD]: method }
    : { [ATTR_HTTP_REQUEST_METHOD]: otherMethod, [ATTR_HTTP_REQUEST_METHOD_ORIGINAL]: method }
