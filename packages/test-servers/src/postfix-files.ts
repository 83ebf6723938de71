import { execFileSync } from 'node:child_process'
import { chownSync, mkdirSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { programEnv } from './programs.ts'

/** Where one instance keeps everything. */
export interface PostfixPlaces {
  readonly etc: string
  readonly queue: string
  readonly data: string
  readonly mail: string
  /** A file, in `data`. */
  readonly log: string
}

export type PostfixSettings = Readonly<Record<string, string>>

// The master of Postfix makes none of these; `postfix check` would, in a second.
const queues = [
  'active',
  'bounce',
  'corrupt',
  'defer',
  'deferred',
  'flush',
  'hold',
  'incoming',
  'private',
  'saved',
  'trace',
]

/** Prepares the directories. `postfix` owns what its daemons write, the system's `nobody` the delivered mail. */
export function postfixPlaces(directory: string): PostfixPlaces {
  const [etc, queue, data, mail] = ['etc', 'queue', 'data', 'mail'].map((name) => join(directory, name))
  const places = { etc: etc!, queue: queue!, data: data!, mail: mail!, log: join(data!, 'log') }
  for (const place of [etc!, queue!, data!, mail!, join(queue!, 'pid')]) mkdirSync(place)
  const postfix = idOf('postfix')
  const owned = [...queues, 'maildrop', 'public'].map((name) => join(places.queue, name))
  for (const place of owned) mkdirSync(place, { mode: 0o700 })
  for (const place of [places.data, ...owned]) chownSync(place, postfix, 0)
  chownSync(places.mail, idOf('nobody'), 0)
  return places
}

export function writeSettings({ etc }: PostfixPlaces, settings: PostfixSettings, services: readonly string[]): void {
  const lines = Object.entries(settings).map(([name, value]) => `${name} = ${value}\n`)
  const main = join(etc, 'main.cf')
  writeFileSync(main, lines.join(''))
  // A setting younger than two seconds may be half written for all that Postfix knows, and it waits.
  utimesSync(main, 0, 0)
  writeFileSync(join(etc, 'master.cf'), [...services, ...daemons, ''].join('\n'))
}

/** Every domain is local, and all mail goes into one maildir. */
export function localDelivery(mail: string): PostfixSettings {
  const nobody = `static:${idOf('nobody')}`
  return {
    virtual_mailbox_domains: 'static:all',
    virtual_mailbox_base: mail,
    virtual_mailbox_maps: 'static:box/',
    virtual_uid_maps: nobody,
    virtual_gid_maps: nobody,
    virtual_mailbox_limit: '0',
  }
}

export function commonSettings(places: PostfixPlaces, name: string): PostfixSettings {
  return {
    compatibility_level: '3.6',
    queue_directory: places.queue,
    data_directory: places.data,
    daemon_directory: daemonDirectory(),
    myhostname: name,
    // Not /dev/stdout, which cannot be opened where it is a socket, as it is in a child of Node.
    maillog_file: places.log,
    maillog_file_prefixes: places.data,
    inet_interfaces: '127.0.0.1',
    // It listens on IPv4; a PROXY protocol header or XCLIENT may name an IPv6 address.
    inet_protocols: 'all',
    mydestination: '',
    // No DNS: there may be none.
    smtpd_peername_lookup: 'no',
    smtp_dns_support_level: 'disabled',
    alias_maps: '',
    message_size_limit: '104857600',
    // The first retry of a mail that could not be sent on.
    queue_run_delay: '1s',
    minimal_backoff_time: '1s',
    maximal_backoff_time: '2s',
    // A peer that is back is used at once.
    initial_destination_concurrency: '20',
    default_destination_concurrency_failed_cohort_limit: '100000',
  }
}

/** `service type private unpriv chroot wakeup maxproc command`; nothing is chrooted. */
const daemons = [
  'pickup unix n - n 60 1 pickup',
  'cleanup unix n - n - 0 cleanup',
  'qmgr unix n - n 1 1 qmgr',
  'tlsmgr unix - - n 1000? 1 tlsmgr',
  'rewrite unix - - n - - trivial-rewrite',
  'bounce unix - - n - 0 bounce',
  'defer unix - - n - 0 bounce',
  'trace unix - - n - 0 bounce',
  'verify unix - - n - 1 verify',
  'flush unix n - n 1000? 0 flush',
  'proxymap unix - - n - - proxymap',
  'smtp unix - - n - - smtp',
  'relay unix - - n - - smtp',
  'lmtp unix - - n - - lmtp',
  'error unix - - n - - error',
  'retry unix - - n - - error',
  'virtual unix - n n - - virtual',
  'anvil unix - - n - 1 anvil',
  'scache unix - - n - 1 scache',
  'postlog unix-dgram n - n - 1 postlogd',
]

let foundDaemons: string | undefined

/** Where this system keeps Postfix's daemons: the compiled-in setting, whatever /etc says. */
export function daemonDirectory(): string {
  foundDaemons ??= textOf('postconf', ['-dh', 'daemon_directory'])
  return foundDaemons
}

const idOf = (user: string): number => Number(textOf('id', ['-u', user]))

function textOf(command: string, args: readonly string[]): string {
  return execFileSync(command, args, { encoding: 'utf8', env: programEnv, stdio: ['ignore', 'pipe', 'ignore'] }).trim()
}
