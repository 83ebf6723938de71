import { copyFileSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join as path } from 'node:path'
import { Hooks } from '@proxy/kernel'
import { describeNeeding, type Leaf, removeDirectory, temporaryDirectory } from '@proxy/test-servers'
import { afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import { tls } from '../src/index.ts'
import { authority, join, reporter, setting } from './setting.ts'

describeNeeding(['openssl'], 'reload', () => {
  const ca = authority()
  let old: Leaf
  let renewed: Leaf
  let stable: Leaf
  let directory: string
  let files: { readonly cert: string; readonly key: string }

  beforeAll(() => {
    old = ca.current.server({ name: 'old', altNames: ['db.test'] })
    renewed = ca.current.server({ name: 'renewed', altNames: ['db.test'] })
    stable = ca.current.server({ name: 'stable', altNames: ['other.test'] })
  })

  beforeEach(() => {
    directory = temporaryDirectory('reload')
    files = { cert: path(directory, 'tls.crt'), key: path(directory, 'tls.key') }
    install(old)
  })

  afterEach(() => removeDirectory(directory))

  function install({ certFile, keyFile }: Leaf): void {
    copyFileSync(certFile, files.cert)
    copyFileSync(keyFile, files.key)
  }

  const client = () => ({ servername: 'db.test', ca: ca.current.cert })
  const next = (hooks: Hooks, name: 'tls:reload' | 'gateway:error') =>
    new Promise<unknown>((resolve) => hooks.on(name, resolve))

  it('serves the new certificate soon after the files changed, and drops nobody', async () => {
    const { address, hooks } = await setting(tls({ certificates: [files, stable] }))
    const before = await join(address, client())
    const reloaded = next(hooks, 'tls:reload')
    install(renewed)
    expect(await reloaded).toEqual({ certificates: 2, changed: 1 })
    expect((await join(address, client())).serverCertificate).toBe('renewed')
    expect(before.serverCertificate).toBe('old')
    expect(await before.echo('still here')).toBe('still here')
  })

  it('sees files that are replaced by renaming', async () => {
    const { address, hooks } = await setting(tls({ certificates: [files] }))
    const reloaded = next(hooks, 'tls:reload')
    copyFileSync(renewed.certFile, `${files.cert}.new`)
    copyFileSync(renewed.keyFile, `${files.key}.new`)
    renameSync(`${files.cert}.new`, files.cert)
    renameSync(`${files.key}.new`, files.key)
    await reloaded
    expect((await join(address, client())).serverCertificate).toBe('renewed')
  })

  it('sees a mounted secret turn its symbolic link', async () => {
    const publish = (leaf: Leaf, version: string): void => {
      mkdirSync(path(directory, version))
      copyFileSync(leaf.certFile, path(directory, version, 'tls.crt'))
      copyFileSync(leaf.keyFile, path(directory, version, 'tls.key'))
      symlinkSync(version, path(directory, '..data_tmp'))
      renameSync(path(directory, '..data_tmp'), path(directory, '..data'))
    }
    rmSync(files.cert)
    rmSync(files.key)
    publish(old, '..1')
    symlinkSync('..data/tls.crt', files.cert)
    symlinkSync('..data/tls.key', files.key)
    const { address, hooks } = await setting(tls({ certificates: [files] }))
    const reloaded = next(hooks, 'tls:reload')
    publish(renewed, '..2')
    await reloaded
    expect((await join(address, client())).serverCertificate).toBe('renewed')
  })

  it('keeps the old certificate when the new one is bad, and says so', async () => {
    const { address, hooks } = await setting(tls({ certificates: [files] }))
    const failed = next(hooks, 'gateway:error')
    writeFileSync(files.cert, '-----BEGIN CERTIFICATE-----\nnonsense\n')
    expect(await failed).toMatchObject({ source: 'tls:reload', error: { code: 'PROXY_CONFIG_INVALID' } })
    expect((await join(address, client())).serverCertificate).toBe('old')
  })

  it('keeps the old certificate when its file is gone, and takes the new one when it is back', async () => {
    const { address, hooks } = await setting(tls({ certificates: [files] }))
    const failed = next(hooks, 'gateway:error')
    rmSync(files.cert)
    await failed
    expect((await join(address, client())).serverCertificate).toBe('old')
    const reloaded = next(hooks, 'tls:reload')
    install(renewed)
    await reloaded
    expect((await join(address, client())).serverCertificate).toBe('renewed')
  })

  it('can be asked for, and tells the caller what is wrong', async () => {
    const listener = tls({ certificates: [files], reloadIntervalMs: 0 })
    const before = await setting(listener)
    copyFileSync(renewed.certFile, files.cert)
    await expect(listener.reload()).rejects.toMatchObject({
      code: 'PROXY_CONFIG_INVALID',
      message: 'tls: certificates[0]: its cert, key or ca cannot be used',
    })
    copyFileSync(renewed.keyFile, files.key)
    await listener.reload()
    expect((await join(before.address, client())).serverCertificate).toBe('renewed')
  })

  it('looks at the files every so often where nothing can be watched', async () => {
    const { address, hooks } = await setting(tls({ certificates: [files], reloadIntervalMs: 20 }))
    const reloaded = next(hooks, 'tls:reload')
    // The directory that is watched is not the one that the path names any more.
    renameSync(directory, `${directory}-moved`)
    mkdirSync(directory)
    install(renewed)
    await reloaded
    rmSync(`${directory}-moved`, { recursive: true })
    expect((await join(address, client())).serverCertificate).toBe('renewed')
  })

  it('tells new clients of a new authority', async () => {
    const trust = path(directory, 'ca.crt')
    copyFileSync(ca.current.certFile, trust)
    const listener = tls({ certificates: [files], ca: trust, requireClientCert: true })
    const { address } = await setting(listener)
    const alice = ca.current.client({ name: 'alice' })
    const { socket } = await join(address, { ...client(), cert: alice.cert, key: alice.key })
    writeFileSync(trust, renewed.cert)
    await listener.reload()
    const session = socket.getSession()!
    await expect(join(address, { ...client(), cert: alice.cert, key: alice.key, session })).rejects.toThrow()
  })

  it('is silent when nothing changed', async () => {
    const listener = tls({ certificates: [files] })
    const { hooks } = await setting(listener)
    const events: unknown[] = []
    hooks.on('tls:reload', (event) => events.push(event))
    await listener.reload()
    install(renewed)
    await listener.reload()
    await listener.reload()
    expect(events).toEqual([{ certificates: 1, changed: 1 }])
  })

  it('stops watching when the listener closes', async () => {
    const closed = tls({ certificates: [files], reloadIntervalMs: 5 })
    const { gateway } = await setting(closed)
    await gateway.close()
    install(renewed)
    const witness = new Hooks()
    const seen = next(witness, 'tls:reload')
    const other = tls({ certificates: [{ ...files }], reloadIntervalMs: 5 })
    const dispose = other.setup!({ hooks: witness }) as () => void
    install(stable)
    await seen
    dispose()
    const hooks = new Hooks()
    const reloaded = next(hooks, 'tls:reload')
    await setting(closed, reporter(), { hooks })
    expect(await reloaded).toEqual({ certificates: 1, changed: 1 })
  })
})
