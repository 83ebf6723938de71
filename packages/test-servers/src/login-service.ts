import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import type { SmtpUser } from './smtp-sink.ts'

/** Checks passwords for Postfix, by the protocol of Dovecot's authentication service: PLAIN and LOGIN. */
export class LoginService {
  readonly #server: Server
  readonly #sockets: Set<Socket> = new Set()

  /** Use {@link loginService}. */
  constructor(server: Server, users: readonly SmtpUser[]) {
    this.#server = server
    server.on('connection', (socket) => {
      this.#sockets.add(socket)
      socket.on('error', () => undefined).once('close', () => this.#sockets.delete(socket))
      serve(socket, users)
    })
  }

  /** As `smtpd_sasl_path` wants it. */
  get path(): string {
    return `inet:127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  async stop(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }
}

export async function loginService(users: readonly SmtpUser[]): Promise<LoginService> {
  const server = createServer()
  const service = new LoginService(server, users)
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  // Whoever uses it is awaited, it need not be.
  server.unref()
  return service
}

const mechanisms = ['PLAIN', 'LOGIN'].map((name) => `MECH\t${name}\tplaintext\n`).join('')
const opening = `VERSION\t1\t2\n${mechanisms}SPID\t1\nCUID\t1\nCOOKIE\t00112233445566778899aabbccddeeff\nDONE\n`

function serve(socket: Socket, users: readonly SmtpUser[]): void {
  const logins = new Map<string, string[]>()
  let held = ''
  socket.write(opening)
  socket.on('data', (bytes) => {
    const lines = (held + bytes.toString('latin1')).split('\n')
    held = lines.pop()!
    for (const line of lines) {
      const [verb, id = '', what = '', ...parameters] = line.split('\t')
      if (verb === 'AUTH') socket.write(begin(id, what, parameters))
      else if (verb === 'CONT') socket.write(goOn(id, what))
    }
  })

  function begin(id: string, mechanism: string, parameters: readonly string[]): string {
    const response = parameters.find((parameter) => parameter.startsWith('resp='))?.slice(5)
    if (mechanism === 'PLAIN') return response === undefined ? `CONT\t${id}\t\n` : plain(id, response)
    logins.set(id, response === undefined ? [] : [response])
    return ask(id)
  }

  function goOn(id: string, response: string): string {
    const login = logins.get(id)
    if (login === undefined) return plain(id, response)
    login.push(response)
    return login.length < 2 ? ask(id) : judge(id, decode(login[0]!), decode(login[1]!))
  }

  function ask(id: string): string {
    const challenge = logins.get(id)!.length === 0 ? 'Username:' : 'Password:'
    return `CONT\t${id}\t${Buffer.from(challenge).toString('base64')}\n`
  }

  function plain(id: string, response: string): string {
    const [, name = '', password = ''] = decode(response).split('\0')
    return judge(id, name, password)
  }

  function judge(id: string, name: string, password: string): string {
    logins.delete(id)
    const known = users.some((user) => user.name === name && user.password === password)
    return `${known ? 'OK' : 'FAIL'}\t${id}\tuser=${name}\n`
  }
}

const decode = (base64: string): string => Buffer.from(base64, 'base64').toString('utf8')
