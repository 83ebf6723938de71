import type { Link } from '@proxy/kernel'
import { bites, type Mutant } from '../__fixtures__/bites.ts'
import * as links from '../__fixtures__/link-mutants.ts'
import * as transports from '../__fixtures__/transport-mutants.ts'
import type { WrappedLink } from '../__fixtures__/wrapped-link.ts'
import { transportChecks } from './conformance.ts'
import type { TransportSubject } from './subject.ts'

function link(check: string, Broken: new (inner: Link) => WrappedLink, says: RegExp): Mutant<TransportSubject> {
  return { check, fault: Broken.name, says, subject: transports.linkSubject(Broken) }
}

function transport(
  check: string,
  Broken: new () => transports.WrappedTransport,
  says: RegExp,
): Mutant<TransportSubject> {
  return { check, fault: Broken.name, says, subject: transports.transportSubject(Broken) }
}

const full = 'write returns false when the peer does not read, and onDrain follows when it does'

bites(transportChecks, [
  link('port 0 picks a free port, and both ends know both addresses', links.WrongAddress, /deep/),
  transport('an address in use is refused with EADDRINUSE', transports.SharesPorts, /Missing expected rejection/),
  transport(
    'closing a binding frees the address; connections accepted so far live on',
    transports.NeverUnbinds,
    /DIAL_REFUSED|GatewayError/,
  ),
  transport(
    'a host name that does not exist rejects with PROXY_DIAL_DNS',
    transports.PlainErrors,
    /must reject with a GatewayError/,
  ),
  transport('a dial that is not answered rejects with PROXY_DIAL_TIMEOUT', transports.WaitsForEver, /waited in vain/),
  transport('an aborted dial rejects and leaves no connection', transports.IgnoresAbort, /Missing expected rejection/),
  link('a link is born paused: bytes wait for the handler', links.BornReading, /5 bytes/),
  link('attach and resume call nothing themselves', links.DeliversInResume, /called before attach and resume/),
  link('bytes arrive in order and complete, both ways at once', links.DropsByte, /bytes/),
  link('a string is latin1', links.WritesUtf8, /deep/),
  link('bytes are borrowed for the call of write only', links.KeepsReference, /bytes changed after write/),
  link(full, links.NeverFull, /never returned false/),
  link(full, links.NeverDrains, /onDrain/),
  link('no onData and no onEnd while paused, from within onData too', links.DoesNotPause, /order of events/),
  link('attach replaces the handler', links.KeepsFirstHandler, /3 bytes/),
  link('the counters count the bytes', links.CountsNothing, /deep/),
  link('links do not disturb each other', links.OneHandlerForAll, /bytes/),
  link('half-close: the other direction stays open until it ends too', links.EndDestroys, /./),
  link('end comes after everything that was queued', links.EndDestroys, /lost/),
  link('bytes written after end or destroy are dropped without an error', links.ThrowsAfterEnd, /write after end/),
  link('a FIN that came before the handler is delivered to it', links.HidesEnd, /onEnd/),
  link('after destroy: onClose, once, without an error, and nothing else', links.ClosesTwice, /deep/),
  link(
    'onceClosed, where there is one, calls behind onClose, and at once when it is closed',
    links.TellsOfNoClose,
    /told/,
  ),
  link('destroy from within onData ends the delivery', links.DeliversAfterDestroy, /deep/),
  link('destroy with reset breaks the peer off: onClose with an error, no onEnd', links.NeverResets, /onClose|reset/),
  link('socket() gives the stream, with the unread bytes in front', links.LosesUnread, /bytes on the socket/),
  link('socket() without unread bytes carries bulk both ways', links.SocketSwallows, /bytes/),
  link('socket() half-closes both ways', links.SocketEndDestroys, /./),
  link('after socket() what is written to the link is sent, and may change then', links.MuteOnceGiven, /./),
  link('after socket() the counters stay right and destroy works', links.CountsNothing, /deep/),
  link('after socket() the counters stay right and destroy works', links.SilentOnceGiven, /onClose/),
])
