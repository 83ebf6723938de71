import type { IncomingMessage } from 'node:http'
import { prometheusText, prometheusType } from '@proxy/telemetry'
import type { AdminSource } from './admin.ts'
import { type Answer, json, text } from './answer.ts'
import { mailPage } from './mail-page.ts'
import { mergedSamples } from './snapshot.ts'
import { statsOf } from './stats.ts'

type Page = (source: AdminSource, request: IncomingMessage) => Answer | Promise<Answer>

/** Asked by machines, under whatever name they know: never closed. */
export const openPages: Readonly<Record<string, Page>> = {
  '/healthz': () => text(200, 'ok'),
  '/readyz': (source) => (source.ready ? text(200, 'ready') : text(503, 'not ready')),
  '/metrics': async (source) => ({
    status: 200,
    type: prometheusType,
    body: prometheusText(mergedSamples(await source.snapshot())),
  }),
}

/** These tell of tenants what /api tells, to whom that tells it. */
export const guardedPages: Readonly<Record<string, Page>> = {
  '/stats': async (source) => json(statsOf(await source.snapshot())),
  '/mail': ({ mails }, { headers }) => {
    if (mails === undefined) return text(404, 'there is no embedded mail server')
    if (headers.accept?.includes('text/html') !== true) return json({ messages: mails })
    return { status: 200, type: 'text/html; charset=utf-8', body: mailPage(mails) }
  },
}
