import { expect, test } from 'vitest'
import {
  certificateAuthority,
  describeNeeding,
  type MariadbServer,
  mariadbServer,
  type Output,
  run,
} from '../src/index.ts'

const login = (server: MariadbServer, user = 'demo', password = 'demo'): string[] => [
  '--no-defaults',
  `-h${server.host}`,
  `-P${server.port}`,
  `-u${user}`,
  `-p${password}`,
]

const query = (server: MariadbServer, sql: string, ...more: string[]): Promise<Output> =>
  run('mariadb', [...login(server), ...more, '-BNe', sql])

describeNeeding(['mariadbd', 'mariadb'], 'mariadbServer', () => {
  test('serves its databases to its users, ed25519 too', async () => {
    const users = [
      { name: 'demo', password: 'demo' },
      { name: 'ed', password: `it's`, plugin: 'ed25519' as const },
    ]
    await using server = await mariadbServer({ databases: ['alpha', 'beta'], users })
    expect(await query(server, 'select database(), current_user()', 'alpha')).toMatchObject({
      stdout: 'alpha\tdemo@127.0.0.1\n',
    })
    const ed = await run('mariadb', [...login(server, 'ed', `it's`), '-BNe', 'select current_user()', 'beta'])
    expect(ed).toMatchObject({ stdout: 'ed@127.0.0.1\n', stderr: '' })
    const denied = await run('mariadb', [...login(server, 'demo', 'wrong'), '-e', 'select 1'])
    expect(denied.stderr).toContain(
      `ERROR 1045 (28000): Access denied for user 'demo'@'127.0.0.1' (using password: YES)`,
    )
  })

  test('keeps its data and port over a restart, a crash included', async () => {
    await using server = await mariadbServer({ databases: ['alpha'] })
    await query(server, 'create table t as select 42 as answer', 'alpha')
    await server.restart()
    expect((await query(server, 'select answer from t', 'alpha')).stdout).toBe('42\n')
    await server.halt('immediate')
    expect(server.running).toBe(false)
    await server.start()
    expect((await query(server, 'select answer from t', 'alpha')).stdout).toBe('42\n')
  })

  test('waits to be started', async () => {
    await using server = await mariadbServer({ start: false })
    expect((await query(server, 'select 1')).stderr).toContain('ERROR 2002')
    await server.start()
    expect((await query(server, 'select 1')).stdout).toBe('1\n')
  })

  test('says in the error what the server logged', async () => {
    await expect(mariadbServer({ settings: ['--no-such-setting'] })).rejects.toThrow('no-such-setting')
    await expect(mariadbServer({ databases: ['twice', 'twice'] })).rejects.toThrow('database exists')
  })
})

describeNeeding(['mariadbd', 'mariadb', 'openssl'], 'mariadbServer with TLS', () => {
  test('shows its certificate', async () => {
    const ca = certificateAuthority()
    await using server = await mariadbServer({ tls: ca.server({ name: 'db' }) })
    const args = [`--ssl-ca=${ca.certFile}`, '--ssl-verify-server-cert']
    const { stdout, stderr } = await query(server, `show status like 'Ssl_version'`, ...args)
    expect({ stdout, stderr }).toMatchObject({ stdout: 'Ssl_version\tTLSv1.3\n' })
    ca.dispose()
  })
})
