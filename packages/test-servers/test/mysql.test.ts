import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  type CertificateAuthority,
  certificateAuthority,
  describeNeeding,
  type MysqlEngine,
  mysqlEngine,
  type MysqlSha2Server,
  mysqlSha2Server,
  run,
} from '../src/index.ts'

/** What the CLI prints, be it the answer or the error. */
async function ask(port: number, user: string, password: string, ssl: 'ssl' | 'skip-ssl'): Promise<string> {
  const args = ['--no-defaults', '-h127.0.0.1', `-P${port}`, `-u${user}`, `--${ssl}`, '-BNe', 'select user()', 'alpha']
  const { stdout, stderr } = await run('mariadb', args, { env: { MYSQL_PWD: password } })
  return (stdout + stderr).trim()
}

const denied = (user: string, using = 'YES'): string =>
  `ERROR 1045 (28000): Access denied for user '${user}'@'127.0.0.1' (using password: ${using})`

describeNeeding(['mariadb', 'openssl'], 'mysqlSha2Server', () => {
  let authority: CertificateAuthority
  let server: MysqlSha2Server

  beforeAll(async () => {
    authority = certificateAuthority()
    const users = [
      { name: 'demo', password: 'demo' },
      { name: 'old', password: 'old', plugin: 'sha256_password' as const },
      { name: 'none', password: '' },
      { name: 'old-none', password: '', plugin: 'sha256_password' as const },
    ]
    server = await mysqlSha2Server({ users, tls: authority.server({ name: 'db' }) })
  })

  afterAll(async () => {
    await server.stop()
    authority.dispose()
  })

  test.each([
    ['skip-ssl', 'no', 'rsa'],
    ['ssl', 'yes', 'clear'],
  ] as const)('caching_sha2_password: full, then fast (%s)', async (ssl, tls, login) => {
    server.flush()
    expect(await ask(server.port, 'demo', 'wrong', ssl)).toBe(denied('demo'))
    expect(await ask(server.port, 'demo', 'demo', ssl)).toBe(`demo\talpha\t${tls}\t${login}`)
    expect(await ask(server.port, 'demo', 'demo', ssl)).toBe(`demo\talpha\t${tls}\tfast`)
    expect(await ask(server.port, 'demo', 'wrong', ssl)).toBe(denied('demo'))
    expect(await ask(server.port, 'demo', '', ssl)).toBe(denied('demo', 'NO'))
    expect(await ask(server.port, 'none', '', ssl)).toBe(`none\talpha\t${tls}\tempty`)
    expect(await ask(server.port, 'nobody', 'demo', ssl)).toBe(denied('nobody'))
  })

  test.each([
    ['skip-ssl', 'no', 'rsa'],
    ['ssl', 'yes', 'clear'],
  ] as const)('sha256_password (%s)', async (ssl, tls, login) => {
    expect(await ask(server.port, 'old', 'old', ssl)).toBe(`old\talpha\t${tls}\t${login}`)
    expect(await ask(server.port, 'old', 'old', ssl)).toBe(`old\talpha\t${tls}\t${login}`)
    expect(await ask(server.port, 'old', 'wrong', ssl)).toBe(denied('old'))
    expect(await ask(server.port, 'old-none', '', ssl)).toBe(`old-none\talpha\t${tls}\tempty`)
  })
})

describeNeeding(['mariadb', 'openssl', 'mysql-engine'], 'mysqlEngine', () => {
  let authority: CertificateAuthority
  let server: MysqlEngine

  beforeAll(async () => {
    authority = certificateAuthority()
    const users = [
      { name: 'demo', password: 'demo' },
      { name: 'native', password: 'native', plugin: 'mysql_native_password' as const },
      { name: 'none', password: '' },
    ]
    server = await mysqlEngine({ databases: ['alpha'], users, tls: authority.server({ name: 'db' }) })
  })

  afterAll(async () => {
    await server.stop()
    authority.dispose()
  })

  test('caching_sha2_password: full needs TLS, fast does not', async () => {
    expect(await ask(server.port, 'demo', 'demo', 'skip-ssl')).toContain('not using TLS')
    expect(await ask(server.port, 'demo', 'wrong', 'ssl')).toBe(denied('demo'))
    expect(await ask(server.port, 'demo', 'demo', 'ssl')).toBe('demo@127.0.0.1')
    expect(await ask(server.port, 'demo', 'demo', 'skip-ssl')).toBe('demo@127.0.0.1')
    expect(await ask(server.port, 'none', '', 'skip-ssl')).toBe('none@127.0.0.1')
  })

  describe('mysql_native_password', () => {
    test.each(['ssl', 'skip-ssl'] as const)('%s', async (ssl) => {
      expect(await ask(server.port, 'native', 'native', ssl)).toBe('native@127.0.0.1')
      expect(await ask(server.port, 'native', 'wrong', ssl)).toBe(denied('native'))
    })
  })
})
