import type { Protocol } from '@proxy/kernel'
import { bites, type Mutant } from '../__fixtures__/bites.ts'
import * as mutants from '../__fixtures__/greet-mutants.ts'
import { greetSubject } from '../__fixtures__/greet-subject.ts'
import { protocolChecks } from './conformance.ts'
import type { ProtocolSubject } from './subject.ts'

function mutant(check: string, Broken: new () => Protocol, says: RegExp): Mutant<ProtocolSubject> {
  return { check, fault: Broken.name, says, subject: { ...greetSubject, protocol: () => new Broken() } }
}

const routes = 'every fixture is routed by its key, and the backend receives exactly the expected bytes'
const refusals = 'every error code gives well-formed refusal bytes without internal names'
const one = new mutants.BadName()

bites(protocolChecks, [
  mutant('a protocol says what it is: api, name, who speaks first', mutants.BadName, /lower case/),
  {
    check: 'a protocol says what it is: api, name, who speaks first',
    fault: 'one instance for all',
    says: /new instance|lower case/,
    subject: { ...greetSubject, protocol: () => one },
  },
  mutant('detect recognises its own fixtures, and is steady', mutants.FickleDetect, /changed its mind/),
  mutant('detect never throws: prefixes of other protocols, garbage', mutants.ThrowingDetect, /detect threw/),
  mutant(routes, mutants.WrongKey, /asked for "ALPHA"/),
  mutant(routes, mutants.LostOpening, /HELLO alpha/),
  mutant(routes, mutants.LeavesTimer, /timers were left running/),
  mutant(
    'the route is the same when the bytes are cut at every offset',
    mutants.SegmentIsMessage,
    /cut after|byte by byte/,
  ),
  mutant('sessions share no state', mutants.InstanceState, /not routed to "alpha"/),
  mutant('instances share no state', mutants.ModuleState, /not routed to "alpha"/),
  mutant(
    'garbage gives a coded error or a close, and never an internal error',
    mutants.UncheckedParse,
    /PROXY_INTERNAL/,
  ),
  mutant(
    'a message without an end is given up in bounded memory',
    mutants.OwnBuffer,
    /taken in of a message without an end/,
  ),
  mutant('a failed session leaves no trace in the next one', mutants.Grudge, /PROXY_MALFORMED/),
  mutant('silence gives PROXY_PEEK_TIMEOUT', mutants.OwnBuffer, /still connected after the handshake deadline/),
  mutant(
    'silence in the middle of the opening gives PROXY_PEEK_TIMEOUT',
    mutants.OwnBufferAfterFirstByte,
    /still connected/,
  ),
  mutant(
    'a client that leaves while a backend wakes causes no dial',
    mutants.DialsAnyway,
    /dialled for a client that has left/,
  ),
  mutant('the drain deadline holds for established sessions', mutants.BreakIsIgnored, /outlived the drain deadline/),
  mutant(
    'the drain deadline holds for clients that have not said what they want',
    mutants.ThrowingDrain,
    /drain is broken/,
  ),
  mutant(refusals, mutants.LeakyRefusal, /must stay inside/),
  mutant(refusals, mutants.MalformedRefusal, /PROXY_WAKE_TIMEOUT is not well-formed/),
  mutant('a backend that refuses is reported without its address', mutants.NamesTheAddress, /must stay inside/),
  mutant('a connection over the limit is refused in the same words', mutants.RefusesOnlyTheServed, /not well-formed/),
  mutant('half-close: the client ends first', mutants.EndClosesBoth, /half-close|other direction|in vain/),
  mutant('half-close: the backend ends first', mutants.EndClosesBoth, /half-close|other direction|in vain/),
  mutant('a backend that breaks off ends the session', mutants.BreakIsIgnored, /the end of the stream/),
  mutant(
    'a client that breaks off ends the session and leaves the backend',
    mutants.BreakIsIgnored,
    /the end of the stream/,
  ),
  mutant(
    'the route is found inside TLS, and everything after the go-ahead is encrypted',
    mutants.TalksOnInPlain,
    /plain bytes were sent|in vain/,
  ),
  mutant(
    'no plaintext survives secure(): bytes behind the command in the same segment',
    mutants.KeepsPlaintext,
    /taken for the secured/,
  ),
  mutant(
    'no plaintext survives secure(): bytes after the go-ahead',
    mutants.ForgetsToSecure,
    /closed|taken for the secured/,
  ),
  mutant(
    'ready settles on a backend that serves, however its bytes are cut',
    mutants.ReadyBySegment,
    /the backend is not ready yet/,
  ),
  mutant(
    'ready rejects with a retryable error on a backend that does not serve yet',
    mutants.ReadyForGood,
    /is loading gives PROXY_BACKEND_PROTOCOL, which is not retryable/,
  ),
  mutant(
    'ready rejects with a retryable error on a backend that closes or breaks off',
    mutants.ReadyForGood,
    /closes gives PROXY_BACKEND_PROTOCOL, which is not retryable/,
  ),
  mutant('ready goes on with a backend that is silent until it is aborted', mutants.ReadyUnheard, /said nothing/),
  mutant('ready takes no garbage for a backend that serves', mutants.ReadyOnAnyLine, /answers garbage was found ready/),
  mutant(
    'without TLS on the listener the command is not answered with a go-ahead',
    mutants.ForgetsToSecure,
    /invites to TLS/,
  ),
])
