/**
 * The few calls of the npm registry's interface that publishing and installing make, in memory, on loopback. Prints its
 * port; ends with its process. For rehearsals only: it believes everybody.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

interface Document {
  name: string
  versions: Record<string, { dist: { tarball: string } }>
  'dist-tags': Record<string, string>
  _attachments?: Record<string, { data: string }>
}

const documents = new Map<string, Document>()
const tarballs = new Map<string, Buffer>()

async function publish(request: IncomingMessage, name: string): Promise<void> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  const { _attachments = {}, ...added } = JSON.parse(Buffer.concat(chunks).toString()) as Document
  const known = documents.get(name)
  for (const [version, { dist }] of Object.entries(added.versions)) {
    const [attachment] = Object.values(_attachments)
    const path = `/-/tarballs/${name.replace('/', '-')}-${version}.tgz`
    tarballs.set(path, Buffer.from(attachment?.data ?? '', 'base64'))
    dist.tarball = `http://${request.headers.host}${path}`
  }
  documents.set(name, {
    ...added,
    versions: { ...known?.versions, ...added.versions },
    'dist-tags': { ...known?.['dist-tags'], ...added['dist-tags'] },
  })
}

function answer(response: ServerResponse, status: number, body: object | Buffer): void {
  response.writeHead(status, {
    'content-type': Buffer.isBuffer(body) ? 'application/octet-stream' : 'application/json',
  })
  response.end(Buffer.isBuffer(body) ? body : JSON.stringify(body))
}

const server = createServer((request, response) => {
  const path = decodeURIComponent(new URL(request.url ?? '/', 'http://registry').pathname)
  const name = path.slice(1)
  const tarball = tarballs.get(path)
  const document = documents.get(name)
  if (request.method === 'PUT') {
    void publish(request, name).then(() => answer(response, 201, { ok: true }))
  } else if (tarball !== undefined) answer(response, 200, tarball)
  else if (document !== undefined) answer(response, 200, document)
  else answer(response, 404, { error: 'not found' })
})
server.listen(0, '127.0.0.1', () => console.log((server.address() as AddressInfo).port))
