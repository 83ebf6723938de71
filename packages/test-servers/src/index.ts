export { goProgram } from './build-cache.ts'
export { serverAccount, type Account } from './account.ts'
export { type CertificateAuthority, certificateAuthority, type Leaf, type LeafOptions } from './certificates.ts'
export { removeDirectory, temporaryDirectory } from './directories.ts'
export { h2spec } from './h2spec.ts'
export { type HttpBackend, httpBackend } from './http.ts'
export { type MariadbServer, mariadbServer, type MariadbServerOptions } from './mariadb.ts'
export type { MysqlTls, MysqlUser } from './mariadb-data.ts'
export { type MysqlEngine, mysqlEngine, type MysqlEngineOptions, type MysqlEngineUser } from './mysql-engine.ts'
export { type MysqlSha2Options, MysqlSha2Server, mysqlSha2Server } from './mysql-sha2.ts'
export type { MysqlSha2User } from './mysql-sha2-accounts.ts'
export { type MongoServer, mongoServer, type MongoServerOptions, type MongoUser } from './mongo.ts'
export {
  type MongoAnswer,
  type MongoScript,
  mongoScript,
  replicaSetHello,
  type ScriptedCommand,
  type ScriptedMongo,
} from './mongo-script.ts'
export {
  encodeMongo,
  encodeMongoQuery,
  type MongoEncoding,
  mongoFlags,
  type MongoMessage,
  MongoReader,
  withHeader,
} from './mongo-wire.ts'
export { otelCollector, otelReceiver, type OtelReceiver } from './otel.ts'
export type { ReceivedPoint, ReceivedSpan } from './otel-lines.ts'
export { findFreePort } from './ports.ts'
export { type PostgresBinaries, postgresBinaries } from './postgres-binaries.ts'
export { type PostgresServer, postgresServer, type PostgresServerOptions } from './postgres.ts'
export type { PostgresTls, PostgresUser } from './postgres-data.ts'
export { type Exit, launch, type Launched, type LaunchOptions, type Output, run, runOrThrow } from './processes.ts'
export { describeNeeding, hasProgram, type Program, programEnv } from './programs.ts'
export { redisServer, type RedisServer } from './redis.ts'
export { type RedisCluster, redisClusterServers } from './redis-cluster.ts'
export { type RedisSentinels, redisSentinels } from './redis-sentinels.ts'
export { type DeliveredMail, postfixServer, type PostfixServer, type PostfixServerOptions } from './postfix.ts'
export {
  type SinkMessage,
  smtpSink,
  type SmtpFailure,
  type SmtpSink,
  type SmtpSinkOptions,
  type SmtpUser,
} from './smtp-sink.ts'
export { echo, tcpBackend, type TcpBackend } from './tcp.ts'
