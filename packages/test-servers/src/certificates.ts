import { writeFileSync, readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { join } from 'node:path'
import { execFileSync } from 'node:child_process'
import { removeDirectory, temporaryDirectory } from './directories.ts'

/** A certificate and its key, as PEM and as files. */
export interface Leaf {
  readonly cert: string
  readonly key: string
  readonly certFile: string
  readonly keyFile: string
}

export interface LeafOptions {
  /** Common name; for a PostgreSQL client certificate, the user. */
  readonly name: string
  /** DNS names (wildcards too) and IP addresses. Default: `localhost` and `127.0.0.1` for a server, none for a client. */
  readonly altNames?: readonly string[] | undefined
}

/** An authority of its own, made with the `openssl` program. */
export class CertificateAuthority {
  readonly cert: string
  readonly certFile: string
  readonly #directory: string
  readonly #keyFile: string
  #issued = 0

  /** Use {@link certificateAuthority}. */
  constructor(directory: string, name: string) {
    this.#directory = directory
    this.certFile = join(directory, 'ca.crt')
    this.#keyFile = join(directory, 'ca.key')
    newKey(this.#keyFile)
    const subject = ['-subj', `/CN=${name}`, '-days', '3650', '-sha256']
    const usage = ['-addext', 'basicConstraints=critical,CA:TRUE', '-addext', 'keyUsage=critical,keyCertSign,cRLSign']
    openssl(['req', '-x509', '-new', '-key', this.#keyFile, '-out', this.certFile, ...subject, ...usage])
    this.cert = readFileSync(this.certFile, 'utf8')
  }

  server(options: LeafOptions): Leaf {
    return this.#issue(options.name, 'serverAuth', options.altNames ?? ['localhost', '127.0.0.1'])
  }

  client(options: LeafOptions): Leaf {
    return this.#issue(options.name, 'clientAuth', options.altNames ?? [])
  }

  dispose(): void {
    removeDirectory(this.#directory)
  }

  #issue(name: string, usage: string, altNames: readonly string[]): Leaf {
    const base = join(this.#directory, `leaf-${++this.#issued}`)
    const [keyFile, certFile] = [`${base}.key`, `${base}.crt`]
    newKey(keyFile)
    openssl(['req', '-new', '-key', keyFile, '-out', `${base}.csr`, '-subj', `/CN=${name}`])
    writeFileSync(`${base}.ext`, extensions(usage, altNames))
    const signer = [
      '-CA',
      this.certFile,
      '-CAkey',
      this.#keyFile,
      '-set_serial',
      String(Date.now() * 1000 + this.#issued),
    ]
    const validity = ['-days', '365', '-sha256', '-extfile', `${base}.ext`]
    openssl(['x509', '-req', '-in', `${base}.csr`, '-out', certFile, ...signer, ...validity])
    return { cert: readFileSync(certFile, 'utf8'), key: readFileSync(keyFile, 'utf8'), certFile, keyFile }
  }
}

/** A new authority in a temporary directory. Needs `openssl`: see `describeNeeding`. */
export function certificateAuthority(name = 'Test authority'): CertificateAuthority {
  return new CertificateAuthority(temporaryDirectory('certificates'), name)
}

function extensions(usage: string, altNames: readonly string[]): string {
  const names = altNames.map((name) => (isIP(name) === 0 ? `DNS:${name}` : `IP:${name}`)).join(',')
  const lines = ['basicConstraints=critical,CA:FALSE', `extendedKeyUsage=${usage}`]
  return [...lines, ...(names === '' ? [] : [`subjectAltName=${names}`]), ''].join('\n')
}

function newKey(file: string): void {
  openssl(['genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256', '-out', file])
}

function openssl(args: readonly string[]): void {
  execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'pipe'] })
}
