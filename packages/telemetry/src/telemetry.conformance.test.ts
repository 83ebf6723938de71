import { layerConformance } from '@proxy/testkit'
import { AccessLogLayer } from './access-log.ts'
import type { LogSink } from './log-sinks.ts'
import { telemetry } from './telemetry.ts'

const nowhere: LogSink = {
  maxChunkBytes: 4_096,
  write: (chunk, done) => done(null, chunk.length),
  reopen: () => {},
  close: () => {},
}

layerConformance({ name: 'telemetry conformance', layer: () => telemetry() })
layerConformance({
  name: 'telemetry conformance, to a receiver that is gone',
  layer: () => telemetry({ otlp: 'http://127.0.0.1:9', traces: { ratio: 1 } }),
})
layerConformance({
  name: 'access log conformance',
  layer: () => new AccessLogLayer({ requests: true }, nowhere),
})
