import { type Relay, streamRelay } from '@proxy/kernel'
import { bites, type Mutant } from '../__fixtures__/bites.ts'
import * as links from '../__fixtures__/link-mutants.ts'
import * as relays from '../__fixtures__/relay-mutants.ts'
import { relayChecks, relayConformance } from './conformance.ts'
import type { RelaySubject } from './subject.ts'

relayConformance({ name: "the kernel's relay", relay: () => streamRelay() })

const mutant = (check: string, fault: string, relay: () => Relay, says: RegExp): Mutant<RelaySubject> => ({
  check,
  fault,
  says,
  subject: { relay },
})

const order = 'bytes arrive in order and complete, both ways at once'
const idle = 'the idle timeout ends a silent relay, and bytes of either side postpone it'
const clientStalls = 'a client that does not read holds the backend back, in bounded memory'
const backendStalls = 'a backend that does not read holds the client back, in bounded memory'
const notQuiet = 'drain does not end a session that is not quiet, and shows `quiet` the last bytes'

bites(relayChecks, [
  mutant(order, 'a byte is lost', () => relays.over(links.DropsByte), /bytes in all|other bytes/),
  mutant(order, 'a timer is left', relays.leavesTimer, /timers/),
  mutant('unread bytes go first, both ways', 'unread bytes are lost', relays.losesUnread, /12 bytes in all/),
  mutant(
    'unread bytes that the other side is slow to take are not lost',
    'unread bytes are cut',
    relays.cutsUnread,
    /bytes/,
  ),
  mutant(
    backendStalls,
    'links are not paused',
    () => relays.over(links.DoesNotPause),
    /although the other does not read/,
  ),
  mutant(
    clientStalls,
    'links are not paused',
    () => relays.over(links.DoesNotPause),
    /although the other does not read/,
  ),
  mutant('half-close: the client ends first', 'an end closes both ways', () => relays.over(links.EndDestroys), /./),
  mutant('half-close: the client ends first', 'the reason is not told', relays.wrongReason, /deep/),
  mutant('half-close: the backend ends first', 'an end closes both ways', () => relays.over(links.EndDestroys), /./),
  mutant('an end waits for the bytes before it', 'an end discards', () => relays.over(links.EndDropsQueue), /lost/),
  mutant(
    'a reset of the client is passed on to the backend',
    'a reset becomes a FIN',
    () => relays.over(links.NeverResets),
    /reset|end of the connection/,
  ),
  mutant(
    'a reset of the backend is passed on to the client',
    'a reset becomes a FIN',
    () => relays.over(links.NeverResets),
    /reset|end of the connection/,
  ),
  mutant(
    'an end that came before the relay is passed on',
    'ends are not heard',
    () => relays.over(links.HidesEnd),
    /end of the stream/,
  ),
  mutant(
    'an end that the channel has seen before the relay is passed on',
    'the past is not looked at',
    () => relays.over(links.ForgetsEnd),
    /end of the stream/,
  ),
  mutant(
    'a link that closed before the relay ends it',
    'the past is not looked at',
    () => relays.over(links.ForgetsClose),
    /waited in vain/,
  ),
  mutant(
    'abort closes both ends, and its reason is the result',
    'abort does nothing',
    relays.cannotAbort,
    /end of the stream/,
  ),
  mutant(idle, 'no idle timeout', relays.neverIdle, /end of the stream/),
  mutant(idle, 'half the time', relays.idleTooSoon, /before the idle timeout/),
  mutant('an idle timeout of 0 is none', 'a default in its place', relays.alwaysIdle, /no idle timeout/),
  mutant('drain ends a quiet session with the goodbye', 'no goodbye', relays.withoutGoodbye, /strictly equal/),
  mutant(
    'drain waits for the answer to what the client said last',
    'drain at once',
    relays.drainsAtOnce,
    /an answer is due/,
  ),
  mutant(notQuiet, '`quiet` is not asked', relays.alwaysQuiet, /says no|not asked/),
  mutant(notQuiet, '`quiet` sees the first bytes', relays.firstBytes, /not the last bytes/),
  mutant(
    'drained again, a session that is never silent ends between two exchanges',
    'the second call is ignored',
    relays.drainsOnce,
    /end of the stream/,
  ),
  mutant('drain without `quiet` ends nothing', 'drain at once', relays.drainsAtOnce, /nothing says that it may/),
  mutant('abort by drain says goodbye too', 'no goodbye', relays.withoutGoodbye, /strictly equal/),
])
