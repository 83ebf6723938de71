import { type CommandTable, commandTable } from './scan.ts'

/** What clients call the command that describes a server. */
const hellos: ReadonlySet<string> = new Set(['hello', 'isMaster', 'ismaster'])

/** Answered with what the gateway knows as long as no tenant is known. */
const locals: readonly string[] = ['ping', 'buildInfo', 'buildinfo', 'endSessions', 'connectionStatus', 'logout']

/** Begin an authentication. */
const logins: readonly string[] = ['saslStart', 'saslContinue', 'authenticate']

/** May be tried again when a transaction could not be ended. */
const endings: readonly string[] = ['commitTransaction', 'abortTransaction']

/**
 * Commands about the servers behind the gateway. Drivers would follow the addresses in their answers, and clients must not
 * rearrange what others use too.
 */
const hidden: ReadonlySet<string> = new Set([
  'addShard',
  'connPoolStats',
  'getCmdLineOpts',
  'getShardMap',
  'hostInfo',
  'isdbgrid',
  'listShards',
  'removeShard',
  'replSetAbortPrimaryCatchUp',
  'replSetFreeze',
  'replSetGetConfig',
  'replSetGetRBID',
  'replSetGetStatus',
  'replSetInitiate',
  'replSetMaintenance',
  'replSetReconfig',
  'replSetResizeOplog',
  'replSetStepDown',
  'replSetSyncFrom',
  'replSetUpdatePosition',
  'shardConnPoolStats',
])

export const whatsMyUri = 'whatsmyuri'

/** Every command that is not simply passed on as it is. */
export const commands: CommandTable = commandTable([...hellos, ...locals, ...logins, ...endings, ...hidden, whatsMyUri])

export function isHello(command: string | undefined): boolean {
  return command !== undefined && hellos.has(command)
}

export function isHidden(command: string | undefined): boolean {
  return command !== undefined && hidden.has(command)
}

const systemDatabases: ReadonlySet<string> = new Set(['admin', 'config', 'local', '$external'])

/** Databases that every server has; they name no tenant. */
export function isSystemDatabase(database: string): boolean {
  return systemDatabases.has(database)
}

/** Ends what a connection without a backend never began. */
export function isFarewell(command: string): boolean {
  return command === 'endSessions' || command === 'logout'
}
