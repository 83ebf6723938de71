import { copyFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { certificateAuthority } from '@proxy/test-servers'

/** Files of a certificate for `alpha.localhost`. */
export interface Certificate {
  readonly certFile: string
  readonly keyFile: string
  /** Both in one file, as HAProxy wants them. */
  readonly pairFile: string
  readonly authorityFile: string
  readonly authority: string
}

/** ECDSA on P-256. */
export const makeCertificate = (folder: string): Certificate => {
  const authority = certificateAuthority('Benchmark')
  try {
    const leaf = authority.server({ name: 'alpha.localhost', altNames: ['alpha.localhost'] })
    const file = (name: string, text: string): string => {
      writeFileSync(join(folder, name), text)
      return join(folder, name)
    }
    const authorityFile = join(folder, 'authority.crt')
    copyFileSync(authority.certFile, authorityFile)
    return {
      certFile: file('server.crt', leaf.cert),
      keyFile: file('server.key', leaf.key),
      pairFile: file('server.pem', leaf.cert + leaf.key),
      authorityFile,
      authority: authority.cert,
    }
  } finally {
    authority.dispose()
  }
}
