/** One message that a careless server takes for two: what stands between the first and the one that is smuggled in. */
export interface Smuggling {
  readonly name: string
  readonly separator: string
  /** The separator stands at the very beginning of the content. */
  readonly atStart?: boolean
}

const show = (separator: string): string =>
  separator
    .replaceAll('\r\n', '<CRLF>')
    .replaceAll('\r', '<CR>')
    .replaceAll('\n', '<LF>')
    .replaceAll('\0', '<NUL>')
    .replaceAll('\t', '<TAB>')
    .replaceAll('\v', '<VT>')
    .replaceAll('\u001A', '<SUB>')
    .replaceAll('\u0085', '<NEL>')
    .replaceAll(' ', '<SP>')

/** None of them holds CRLF.CRLF, so a message with any of them inside is one message (RFC 5321 section 4.1.1.4). */
const inside = [
  '\n.\n',
  '\n.\r\n',
  '\r\n.\n',
  '\n.\r',
  '\r.\n',
  '\r.\r',
  '\r.\r\n',
  '\r\n.\r',
  '\r\n.\r\r\n',
  '\r\n.\r\r',
  '\r\n.\n\r\n',
  '\n\n.\n\n',
  '\n\r.\n\r',
  '\n.\n.\r\n',
  '\r\n\0.\r\n',
  '\r\n.\0\r\n',
  '\r\0\n.\r\n',
  '\r\n.\r\0\n',
  '\n\0.\n',
  '\r\n. \r\n',
  '\r\n .\r\n',
  '\r\n.\t\r\n',
  '\r\n\v.\r\n',
  '\r\n.\u001A\r\n',
  '\u0085.\u0085',
  '\r\n..\r\n',
  '\r\n...\r\n',
  '\n..\r\n',
  '\n..\n',
  '\r..\r',
  '\r\n..\n',
]

const first = ['.\n', '.\r', '.\r\r\n', '.\0\r\n', '\0.\r\n', '\n.\r\n', '\r.\r\n', '..\r\n']

export const smugglings: readonly Smuggling[] = [
  ...inside.map((separator) => ({ name: show(separator), separator })),
  ...first.map((separator) => ({ name: `${show(separator)} first`, separator, atStart: true })),
]

/** Content like any other: with no CR or LF but in CRLF, and no NUL, a message goes through as it is. */
export const isHarmless = ({ separator }: Smuggling): boolean => /^(?:\r\n|[^\r\n\0])*$/.test(separator)

export const sender = (id: number): string => `case-${id}@client.test`
export const smuggler = (id: number): string => `smuggled-${id}@evil.test`

/** The commands and the content of the message that is smuggled in, with the end that is the end of the one message. */
export function smuggled(id: number): string {
  const commands = [`MAIL FROM:<${smuggler(id)}>`, 'RCPT TO:<bob@alpha.test>', 'DATA']
  return [...commands, 'Subject: smuggled', '', 'smuggled', '.', ''].join('\r\n')
}

/** What follows a 354, in latin1. */
export function contentOf({ separator, atStart }: Smuggling, id: number): string {
  return `${atStart === true ? '' : 'Subject: first\r\n\r\nfirst'}${separator}${smuggled(id)}`
}

/** Where to cut the content: nowhere, and at every byte around and inside the separator. */
export function cutsOf({ separator, atStart }: Smuggling): number[] {
  const start = atStart === true ? 0 : 'Subject: first\r\n\r\nfirst'.length
  return [0, ...Array.from({ length: separator.length + 1 }, (_, i) => start + i).filter((cut) => cut > 0)]
}
