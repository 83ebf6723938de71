import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { goProgram } from './build-cache.ts'
import { pointsOf, type ReceivedPoint, type ReceivedSpan, spansOf } from './otel-lines.ts'
import { findFreePort } from './ports.ts'
import { launch } from './processes.ts'

/** Whatever takes telemetry, on a throw-away loopback port. */
export interface OtelReceiver extends AsyncDisposable {
  /** Base URL for OTLP over HTTP. */
  readonly endpoint: string
  /** What has come so far. */
  spans(): readonly ReceivedSpan[]
  points(): readonly ReceivedPoint[]
}

/** A receiver of OTLP/JSON inside of this process. `refusing`: it answers 503 to everything. */
export async function otelReceiver(refusing = false): Promise<OtelReceiver> {
  const requests: Record<string, unknown>[] = []
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const known = request.method === 'POST' && /^\/v1\/(?:traces|metrics)$/.test(request.url ?? '')
      const json = request.headers['content-type'] === 'application/json'
      if (known && json && !refusing)
        requests.push(JSON.parse(Buffer.concat(chunks).toString()) as (typeof requests)[0])
      response
        .writeHead(!known ? 404 : !json ? 415 : refusing ? 503 : 200, { 'content-type': 'application/json' })
        .end('{}')
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    spans: () => spansOf(requests),
    points: () => pointsOf(requests),
    [Symbol.asyncDispose]: async () => {
      server.close()
      server.closeAllConnections()
      await once(server, 'close').catch(() => undefined)
    },
  }
}

/** The OpenTelemetry collector. Needs `otel-collector`: see `describeNeeding`. */
export async function otelCollector(): Promise<OtelReceiver> {
  const port = await findFreePort()
  const config = {
    receivers: { otlp: { protocols: { http: { endpoint: `127.0.0.1:${port}` } } } },
    exporters: { lines: {} },
    service: {
      telemetry: { metrics: { level: 'none' } },
      pipelines: {
        traces: { receivers: ['otlp'], exporters: ['lines'] },
        metrics: { receivers: ['otlp'], exporters: ['lines'] },
      },
    },
  }
  const collector = launch(goProgram('otel-collector'), ['--config', `yaml:${JSON.stringify(config)}`])
  await collector.waitFor(/Everything is ready/)
  const requests = (): Record<string, unknown>[] =>
    collector.output
      .split('\n')
      .flatMap((line) => (/^\{"resource(Spans|Metrics)"/.test(line) ? [JSON.parse(line)] : []))
  return {
    endpoint: `http://127.0.0.1:${port}`,
    spans: () => spansOf(requests()),
    points: () => pointsOf(requests()),
    [Symbol.asyncDispose]: async () => void (await collector.stop('SIGKILL')),
  }
}
