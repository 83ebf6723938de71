import { GatewayError } from '@proxy/kernel'
import { fuzzed } from '@proxy/testkit'
import { expect, test } from 'vitest'
import { ClientInput, type InputSink } from './client-input.ts'
import { DataScanner } from './data-scanner.ts'
import { helloLine, parseHello, relayedLines } from './hello.ts'
import { recipientKey, userKey } from './keys.ts'
import { codeOf, linesOf, ReplyReader } from './reply-reader.ts'
import { loginUser, parseAuth, plainUser } from './sasl.ts'
import { argumentOf, lineFault, parseBdat, verbOf } from './wire.ts'

/** Inputs of each kind: a million in all, and those of every combination. `SMTP_FUZZ` multiplies them. */
const factor = Number(process.env['SMTP_FUZZ'] ?? 1)
const seed = Number(process.env['SMTP_FUZZ_SEED'] ?? 1)

const scanner = new DataScanner()

function scan(bytes: Buffer, cut: number): string {
  scanner.begin()
  const first = scanner.scan(bytes.subarray(0, cut), 0)
  if (first !== 0) return first < 0 ? 'invalid' : String(first)
  const second = scanner.scan(bytes, cut)
  return second < 0 ? 'invalid' : String(second)
}

/** The same, told from the whole content at once and with nothing in mind but what RFC 5321 says. */
function judge(bytes: Buffer): string {
  const text = bytes.toString('latin1')
  const end = text.startsWith('.\r\n') ? 3 : text.indexOf('\r\n.\r\n') + 5
  const content = end >= 5 || end === 3 ? text.slice(0, end) : text
  const valid = content.replace(/\r$/, '').replaceAll('\r\n', '')
  if (/[\r\n\0]/.test(valid)) return 'invalid'
  return end >= 5 || end === 3 ? String(end) : '0'
}

function compare(bytes: Buffer, cut: number): void {
  const [found, right] = [scan(bytes, cut), judge(bytes)]
  if (found !== right) throw new Error(`${JSON.stringify(bytes.toString('latin1'))} at ${cut}: ${found}, not ${right}`)
}

const mails = [
  'Subject: x\r\n\r\nhello\r\n..stuffed\r\n.\r\nQUIT\r\n',
  '.\r\n',
  '\r\n.\r\n.\r\n',
  'a\r\n.\r\r\n.\r\n',
  `${'x'.repeat(70)}\r\n${'.'.repeat(9)}\r\n.\r\nMAIL FROM:<>\r\n`,
]

test('every content of up to eight bytes that matter ends where it should, and nowhere else', () => {
  const alphabet = Buffer.from('\r\n.a\0', 'latin1')
  const bytes = Buffer.alloc(8)
  for (let length = 0; length <= 8; length++) {
    const count = alphabet.length ** length
    for (let number = 0; number < count; number++) {
      for (let i = 0, rest = number; i < length; i++, rest = Math.floor(rest / alphabet.length)) {
        bytes[i] = alphabet[rest % alphabet.length]!
      }
      compare(bytes.subarray(0, length), number % (length + 1))
    }
  }
})

test('mutated content ends where it should, and nowhere else', () => {
  let cut = 0
  for (const bytes of fuzzed(mails, 600_000 * factor, seed)) compare(bytes, (cut = (cut + 7) % (bytes.length + 1)))
})

/** Long enough to be looked at as a whole, which short content is not. */
const longMails = [
  `${'x'.repeat(60)}\r\n`.repeat(20) + '..\r\n.\r\nQUIT\r\n',
  `${'\r\n'.repeat(520)}.\r\n`,
  `${'a\tb'.repeat(400)}\r\n.\r\n${'x'.repeat(1_100)}\n`,
]

test('long content ends where it should, and nowhere else', () => {
  let cut = 0
  for (const bytes of fuzzed(longMails, 60_000 * factor, seed)) compare(bytes, (cut = (cut + 71) % (bytes.length + 1)))
})

/** Takes everything, answers DATA and AUTH at once, and writes down what it saw. */
class Recorder implements InputSink {
  ready = true
  seen = ''
  input: ClientInput = new ClientInput(this)

  onCommand(line: Buffer): void {
    this.seen += `${line.toString('latin1')}|`
    if (lineFault(line) !== undefined) return void (this.ready = false)
    const argument = argumentOf(line)
    switch (verbOf(line)) {
      case 'DATA':
        return this.input.expectData()
      case 'BDAT': {
        const chunk = parseBdat(argument)
        return chunk === undefined ? void (this.ready = false) : this.input.expectChunk(chunk.size)
      }
      case 'AUTH':
        return this.input.expectAuth()
      default:
    }
  }

  onAuthLine(line: Buffer): void {
    this.seen += `auth ${line.toString('latin1')}|`
  }

  onContent(bytes: Buffer, complete: boolean): void {
    this.seen += `${bytes.toString('latin1')}${complete ? '|' : ''}`
  }

  onFault(error: GatewayError): void {
    this.ready = false
    this.seen += error.code
  }
}

const sessions = [
  'EHLO alpha.example\r\nMAIL FROM:<a@b>\r\nRCPT TO:<"c@d"@e>\r\nDATA\r\nhello\r\n.\r\nQUIT\r\n',
  'EHLO x\r\nAUTH PLAIN AGIAYw==\r\nAUTH LOGIN\r\nYg==\r\n*\r\n',
  'BDAT 5\r\nhelloBDAT 7 LAST\r\n world!RSET\r\nBDAT 0 LAST\r\nNOOP\r\n',
]

test('commands and content are the same wherever the bytes are cut', () => {
  let cut = 0
  for (const bytes of fuzzed(sessions, 150_000 * factor, seed)) {
    const [whole, pieces] = [new Recorder(), new Recorder()]
    cut = (cut + 11) % (bytes.length + 1)
    whole.input.push(bytes)
    pieces.input.push(Buffer.from(bytes.subarray(0, cut)))
    pieces.input.push(Buffer.from(bytes.subarray(cut)))
    // A fault may be seen before the content ahead of it is handed on, and not after.
    const same = whole.ready ? whole.seen === pieces.seen : !pieces.ready || pieces.seen.startsWith(whole.seen)
    if (!same) throw new Error(`${JSON.stringify(bytes.toString('latin1'))} cut at ${cut}`)
    if (whole.input.held > bytes.length) throw new Error('more is held than came')
  }
})

const lines = [
  'EHLO alpha.example\r\n',
  'RCPT TO:<@a,@b:"x\\"y"@gamma.example> NOTIFY=NEVER\r\n',
  'AUTH PLAIN AGJvYkBiZXRhLmV4YW1wbGUAc2VjcmV0\r\n',
  'BDAT 1000 LAST\r\n',
]

test('no line makes the parsers fail, and no key is anything but a domain', () => {
  for (const bytes of fuzzed(lines, 200_000 * factor, seed)) {
    const argument = argumentOf(bytes)
    verbOf(bytes)
    parseBdat(argument)
    const hello = parseHello('EHLO', bytes)
    if (hello !== undefined && lineFault(helloLine(hello)) !== undefined) throw new Error('a line break in a name')
    const initial = parseAuth(argument)?.initial ?? argument
    const keys = [recipientKey(argument), userKey(plainUser(initial) ?? loginUser(initial) ?? argument)]
    for (const key of keys) {
      if (key !== undefined && !/^[a-z0-9_.-]{1,255}$/.test(key)) throw new Error(`${key} is a key`)
    }
  }
})

const answers = [
  '250-mx.example\r\n250-PIPELINING\r\n250-AUTH PLAIN LOGIN EXTERNAL\r\n250 8BITMIME\r\n',
  '250 2.1.0 Ok\r\n354 go on\r\n250 2.0.0 queued\r\n',
  '550-5.1.1 no\r\n550 5.1.1 such user\r\n421\r\n',
]

function readReplies(pieces: readonly Buffer[]): string {
  const reader = new ReplyReader()
  let seen = ''
  const sink = {
    onReply(code: number, reply: Buffer): boolean {
      if (code !== codeOf(reply, 0) || !/^[2-5]\d\d/.test(reply.toString('latin1'))) throw new Error('not a reply')
      seen += reply.toString('latin1')
      relayedLines(linesOf(reply), { auth: true, allTls: false })
      return true
    },
  }
  try {
    for (const piece of pieces) reader.read(piece, sink)
  } catch (error) {
    if (!GatewayError.is(error) || error.code !== 'PROXY_BACKEND_PROTOCOL') throw error
    return `${seen}!`
  }
  return seen
}

test('replies are the same wherever the bytes are cut, and never half of one', () => {
  let cut = 0
  for (const bytes of fuzzed(answers, 60_000 * factor, seed)) {
    cut = (cut + 13) % (bytes.length + 1)
    const whole = readReplies([bytes])
    if (whole !== readReplies([bytes.subarray(0, cut), bytes.subarray(cut)])) {
      throw new Error(`${JSON.stringify(bytes.toString('latin1'))} cut at ${cut}`)
    }
  }
})

test('the oracle knows what the scanner must not take for an end', () => {
  expect(judge(Buffer.from('a\n.\n'))).toBe('invalid')
  expect(judge(Buffer.from('a\r\n.\r\nb\n'))).toBe('6')
})
