import type { StoredMail } from '../embedded/mail-store.ts'

// Of a message, as much as a page shows.
const shownCharacters = 10_000

/** For people with a browser. Everything in it was written by strangers: it is escaped, and nothing in it may run. */
export function mailPage(mails: readonly StoredMail[]): string {
  const rows = mails.map(mailRow).join('\n')
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Mail</title>
<style>
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
  summary { cursor: pointer; overflow-wrap: anywhere; }
  pre { white-space: pre-wrap; overflow-wrap: anywhere; background: #8881; padding: 1rem; }
</style>
<h1>Mail</h1>
${rows === '' ? '<p>No message yet.</p>' : rows}
</html>
`
}

function mailRow({ tenant, receivedAt, from, to, subject, bytes, text }: StoredMail): string {
  const facts = `${from === '' ? '(nobody)' : from} to ${to.join(', ')}, ${receivedAt}, ${bytes} bytes`
  return `<details>
<summary><b>${escaped(tenant)}</b>: ${escaped(subject === '' ? '(no subject)' : subject)}<br><small>${escaped(facts)}</small></summary>
<pre>${escaped(text.slice(0, shownCharacters))}</pre>
</details>`
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

const escaped = (text: string): string => text.replaceAll(/[&<>"']/g, (character) => entities[character]!)
