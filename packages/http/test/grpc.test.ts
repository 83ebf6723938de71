import {
  type ClientDuplexStream,
  type ClientReadableStream,
  type ClientUnaryCall,
  type ClientWritableStream,
  credentials,
  type handleBidiStreamingCall,
  type handleClientStreamingCall,
  type handleServerStreamingCall,
  type handleUnaryCall,
  makeGenericClientConstructor,
  Metadata,
  type requestCallback,
  Server,
  ServerCredentials,
  type ServiceDefinition,
  type ServiceError,
  status,
} from '@grpc/grpc-js'
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { gateway, nodeBackend, until } from './setting.ts'

const same = (bytes: Buffer): Buffer => bytes

const method = (path: string, requestStream: boolean, responseStream: boolean) => ({
  path: `/test.Echo/${path}`,
  requestStream,
  responseStream,
  requestSerialize: same,
  requestDeserialize: same,
  responseSerialize: same,
  responseDeserialize: same,
})

const service = {
  unary: method('Unary', false, false),
  fail: method('Fail', false, false),
  count: method('Count', false, true),
  sum: method('Sum', true, false),
  chat: method('Chat', true, true),
  hang: method('Hang', false, true),
} satisfies ServiceDefinition

const EchoClient = makeGenericClientConstructor(service, 'Echo')

const cancelled: string[] = []

const unary: handleUnaryCall<Buffer, Buffer> = (call, done) => {
  const trailers = new Metadata()
  trailers.set('x-trailer', 'behind')
  call.sendMetadata(call.metadata)
  done(null, call.request, trailers)
}

const fail: handleUnaryCall<Buffer, Buffer> = (_call, done) => {
  done({ code: status.FAILED_PRECONDITION, details: 'not so' })
}

const count: handleServerStreamingCall<Buffer, Buffer> = (call) => {
  for (let i = 0; i < 1_000; i++) call.write(Buffer.from(String(i)))
  call.end()
}

const sum: handleClientStreamingCall<Buffer, Buffer> = (call, done) => {
  let total = 0
  call.on('data', (bytes: Buffer) => {
    total += bytes.length
  })
  call.on('end', () => done(null, Buffer.from(String(total))))
}

const chat: handleBidiStreamingCall<Buffer, Buffer> = (call) => {
  call.on('data', (bytes: Buffer) => call.write(bytes))
  call.on('end', () => call.end())
}

const hang: handleServerStreamingCall<Buffer, Buffer> = (call) => {
  call.write(Buffer.from('begun'))
  call.on('cancelled', () => cancelled.push('hang'))
}

async function grpcBackend(): Promise<number> {
  const server = new Server()
  server.addService(service, { unary, fail, count, sum, chat, hang })
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    )
  })
  onTestFinished(() => server.forceShutdown())
  return port
}

interface Client {
  unary(request: Buffer, done: requestCallback<Buffer>): ClientUnaryCall
  unary(request: Buffer, metadata: Metadata, done: requestCallback<Buffer>): ClientUnaryCall
  fail(request: Buffer, done: requestCallback<Buffer>): ClientUnaryCall
  count(request: Buffer): ClientReadableStream<Buffer>
  sum(done: requestCallback<Buffer>): ClientWritableStream<Buffer>
  chat(): ClientDuplexStream<Buffer, Buffer>
  hang(request: Buffer): ClientReadableStream<Buffer>
}

function dial(port: number, authority = 'a.example'): Client {
  const client = new EchoClient(`127.0.0.1:${port}`, credentials.createInsecure(), {
    'grpc.default_authority': authority,
  })
  onTestFinished(() => client.close())
  return client as unknown as Client
}

const failure = (call: (done: (error: ServiceError | null) => void) => void): Promise<ServiceError | null> =>
  new Promise((resolve) => call(resolve))

describe('gRPC', () => {
  beforeAll(() => {
    cancelled.length = 0
  })

  it('unary calls, with metadata and trailers', async () => {
    const { port, dials } = await gateway(await grpcBackend(), { h2c: true })
    const client = dial(port)
    const metadata = new Metadata()
    metadata.set('x-up', 'there')
    metadata.set('x-bin', Buffer.from([1, 2, 3]))
    const answer = await new Promise<{ bytes: Buffer; head: Metadata; tail: Metadata }>((resolve, reject) => {
      let head = new Metadata()
      let tail = new Metadata()
      const call = client.unary(Buffer.from('hello'), metadata, (error, bytes) => {
        if (error !== null) reject(error)
        else setImmediate(() => resolve({ bytes: bytes ?? Buffer.alloc(0), head, tail }))
      })
      call.on('metadata', (fields: Metadata) => {
        head = fields
      })
      call.on('status', ({ metadata: fields }: { metadata: Metadata }) => {
        tail = fields
      })
    })
    expect(answer.bytes.toString()).toBe('hello')
    expect([answer.head.get('x-up')[0], answer.tail.get('x-trailer')[0]]).toEqual(['there', 'behind'])
    expect(answer.head.get('x-forwarded-for')).toEqual(['127.0.0.1'])
    const all = Array.from(
      { length: 100 },
      (_, i) =>
        new Promise<string>((resolve, reject) => {
          client.unary(Buffer.from(`${i}`), (error, bytes) => (error === null ? resolve(String(bytes)) : reject(error)))
        }),
    )
    expect(await Promise.all(all)).toEqual(Array.from({ length: 100 }, (_, i) => `${i}`))
    expect(dials).toHaveLength(1)
  })

  it('errors without a body (trailers only)', async () => {
    const { port } = await gateway(await grpcBackend(), { h2c: true })
    const error = await failure((done) => dial(port).fail(Buffer.from(''), done))
    expect(error).toMatchObject({ code: status.FAILED_PRECONDITION, details: 'not so' })
  })

  it('streams of the server, of the client, and of both', async () => {
    const { port } = await gateway(await grpcBackend(), { h2c: true })
    const client = dial(port)
    const counted: string[] = []
    for await (const bytes of client.count(Buffer.from(''))) {
      counted.push(bytes.toString())
    }
    expect(counted).toEqual(Array.from({ length: 1_000 }, (_, i) => String(i)))
    const sum = await new Promise<string>((resolve, reject) => {
      const call = client.sum((error, bytes) => (error === null ? resolve(String(bytes)) : reject(error)))
      for (let i = 0; i < 100; i++) call.write(Buffer.alloc(50_000))
      call.end()
    })
    expect(sum).toBe('5000000')
    const chat = client.chat()
    for (const word of ['one', 'two', 'three']) {
      const answer = new Promise((resolve) => chat.once('data', (bytes: Buffer) => resolve(bytes.toString())))
      chat.write(Buffer.from(word))
      expect(await answer).toBe(word)
    }
    chat.end()
    await new Promise((resolve) => chat.once('end', resolve))
  })

  it('cancellation reaches the backend', async () => {
    const { port } = await gateway(await grpcBackend(), { h2c: true })
    const call = dial(port).hang(Buffer.from(''))
    call.on('error', () => {})
    await new Promise((resolve) => call.once('data', resolve))
    call.cancel()
    await until(() => cancelled.includes('hang'))
  })

  it.each([
    ['an unknown tenant', 'nobody', status.UNIMPLEMENTED, 'no such tenant'],
    ['a backend that is not there', 'a', status.UNAVAILABLE, 'the backend refused the connection'],
  ])('errors of ours: %s', async (_name, authority, code, details) => {
    const { port } = await gateway(1, { h2c: true })
    const error = await failure((done) => dial(port, authority).unary(Buffer.from(''), done))
    expect(error).toMatchObject({ code, details })
  })

  it('a backend that does not speak HTTP/2 is unavailable', async () => {
    const backend = await nodeBackend((_req, res) => res.end())
    const { port } = await gateway(backend, { h2c: true })
    const error = await failure((done) => dial(port).unary(Buffer.from(''), done))
    expect(error?.code).toBe(status.UNAVAILABLE)
  })
})
