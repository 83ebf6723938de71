import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describeNeeding, goProgram, removeDirectory, run, temporaryDirectory } from '@proxy/test-servers'
import { validate as lint } from 'dockerfile-utils'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse, parseAllDocuments } from 'yaml'
import { validate } from '../src/config/validate.ts'

const root = fileURLToPath(new URL('../../../', import.meta.url))
const read = (path: string): string => readFileSync(root + path, 'utf8')

/** What a document that was read from YAML holds at a path. */
function at<T>(value: unknown, ...path: readonly (string | number)[]): T {
  return path.reduce((inner, key) => (inner as Record<string, unknown> | undefined)?.[key], value) as T
}

const yaml = (text: string): unknown => parse(text, { merge: true })
const listenerPorts = (config: unknown): number[] =>
  at<{ address: string }[]>(config, 'listeners').map(({ address }) => Number(address.split(':').at(-1)))

describe('deploy/docker', () => {
  const file = read('deploy/docker/Dockerfile')
  const line = (instruction: string) =>
    [...file.matchAll(new RegExp(`^${instruction} (.*)$`, 'gm'))].map(([, rest = '']) => rest)

  it('has no mistake that a linter finds', () => {
    expect(lint(file)).toEqual([])
    expect(lint(file.replace('WORKDIR', 'WROKDIR'))).not.toEqual([])
  })

  it('uses the version of Node that everything is tested with', () => {
    const version = /^ {2}node: (.*)$/m.exec(read('pnpm-workspace.yaml'))?.[1]
    for (const image of line('FROM')) expect(image).toMatch(new RegExp(`^node:${version}-`))
  })

  it('keeps what is optional but needed: the native library of the epoll transport', () => {
    expect(file).not.toContain('--no-optional')
    expect(file).toMatch(/^RUN cd \/app\/node_modules\/@proxy\/transport-epoll && .*koffi/m)
  })

  it('starts the command of the package, under an account without rights, and drains it', () => {
    const { bin } = JSON.parse(read('apps/gateway/package.json')) as { bin: { gateway: string } }
    expect(line('ENTRYPOINT')).toEqual([`["node", "/app/${bin.gateway}"]`])
    expect(line('USER')).toEqual(['1000:1000'])
    expect(line('STOPSIGNAL')).toEqual(['SIGTERM'])
    expect(file).toMatch(/^HEALTHCHECK [^]*127\.0\.0\.1:9901\/readyz/m)
  })
})

describe('deploy/compose', () => {
  const compose = yaml(read('deploy/compose/compose.yaml'))
  const config = yaml(read('deploy/compose/gateway.config.yaml'))

  it('gives the gateways a configuration that is valid', () => {
    expect(validate(config)).toEqual([])
    expect(at(compose, 'services', 'gateway-1', 'volumes')).toContain(
      './gateway.config.yaml:/etc/gateway/gateway.config.yaml:ro',
    )
  })

  it.each(['gateway-1', 'gateway-2'])('publishes every listener of %s', (name) => {
    const published = at<string[]>(compose, 'services', name, 'ports').map((text) => Number(text.split(':').at(-1)))
    expect(published).toEqual([...listenerPorts(config), 9901])
  })

  it('leads to tenants on the network that is named and allowed', () => {
    const tenants = at(compose, 'networks', 'tenants')
    expect(at(tenants, 'name')).toBe(at(config, 'resolver', 'docker', 'network'))
    expect(at(config, 'guard', 'allow')).toEqual([at(tenants, 'ipam', 'config', 0, 'subnet')])
    const services = Object.values(at<Record<string, unknown>>(compose, 'services'))
    const labelled = services.filter((service) => at(service, 'labels', 'proxy.key') !== undefined)
    expect(labelled).toHaveLength(4)
    for (const service of labelled) expect(service).toMatchObject({ networks: ['tenants'], restart: 'no' })
  })

  it('lets a drain end', () => {
    const grace = at<string>(compose, 'services', 'gateway-1', 'stop_grace_period')
    expect(Number(grace.replace('s', '')) * 1_000).toBeGreaterThan(at<number>(config, 'drain', 'deadlineMs'))
  })

  describeNeeding(['compose'], 'read as Compose does', () => {
    const load = (path: string, env: Record<string, string>) => run(goProgram('compose'), [path], { env })

    it('is a project', async () => {
      const path = `${root}deploy/compose/compose.yaml`
      expect(await load(path, { ADMIN_TOKEN: '0123456789abcdef' })).toMatchObject({ code: 0, stderr: '' })
      expect(await load(path, { ADMIN_TOKEN: '' })).toMatchObject({ stderr: expect.stringContaining('ADMIN_TOKEN') })
    })
  })
})

type Find = (kind: string) => unknown

const podOf = (find: Find): unknown => at(find('Deployment'), 'spec', 'template', 'spec')
const configOf = (find: Find): unknown => yaml(at<string>(find('ConfigMap'), 'data', 'gateway.config.yaml'))

describeNeeding(['helm', 'kubectl-validate'], 'deploy/helm', () => {
  const chart = `${root}deploy/helm/gateway`
  let directory: string

  beforeAll(() => {
    directory = temporaryDirectory('helm')
  })
  afterAll(() => removeDirectory(directory))

  const template = (...args: string[]) =>
    run(goProgram('helm'), ['template', 'edge', chart, '--kube-version', '1.33.0', '--namespace', 'edge', ...args])

  async function rendered(...args: string[]): Promise<Find> {
    const { stdout, stderr } = await template(...args)
    expect(stderr).toBe('')
    const documents = parseAllDocuments(stdout).map((document): unknown => document.toJS())
    // The definition of a ServiceMonitor comes with the operator.
    const known = documents.filter((document) => at(document, 'kind') !== 'ServiceMonitor')
    const file = join(directory, 'rendered.yaml')
    writeFileSync(file, known.map((document) => JSON.stringify(document)).join('\n---\n'))
    expect(await run(goProgram('kubectl-validate'), [file])).toMatchObject({ code: 0 })
    return (kind) => documents.find((document) => at(document, 'kind') === kind)
  }

  it('has no mistake that a linter finds', async () => {
    const lint = await run(goProgram('helm'), ['lint', '--strict', chart])
    expect(lint.stdout).toContain('1 chart(s) linted, 0 chart(s) failed')
  })

  it('runs gateways that are probed, drained and never all away', async () => {
    const find = await rendered()
    const pod = podOf(find)
    expect(at(pod, 'containers', 0)).toMatchObject({
      startupProbe: { httpGet: { path: '/healthz', port: 'admin' } },
      livenessProbe: { httpGet: { path: '/healthz', port: 'admin' } },
      readinessProbe: { httpGet: { path: '/readyz', port: 'admin' } },
      lifecycle: { preStop: { exec: { command: ['node', '-e', 'setTimeout(() => {}, 5000)'] } } },
      securityContext: { readOnlyRootFilesystem: true, allowPrivilegeEscalation: false },
    })
    expect(at(pod, 'securityContext')).toMatchObject({ runAsNonRoot: true, runAsUser: 1000 })
    const grace = at<number>(pod, 'terminationGracePeriodSeconds')
    expect(grace * 1_000).toBeGreaterThan(at<number>(configOf(find), 'drain', 'deadlineMs') + 5_000)
    expect(at(find('PodDisruptionBudget'), 'spec', 'maxUnavailable')).toBe(1)
    expect(find('HorizontalPodAutoscaler')).toBeUndefined()
    expect(find('ServiceMonitor')).toBeUndefined()
  })

  it('holds a configuration that is valid, and opens its ports', async () => {
    const find = await rendered()
    const config = configOf(find)
    expect(validate(config)).toEqual([])
    const ports = at<{ containerPort: number }[]>(podOf(find), 'containers', 0, 'ports')
    expect(ports.map(({ containerPort }) => containerPort)).toEqual([...listenerPorts(config), 9901])
  })

  it('may do what the kubernetes resolver does, and no more', async () => {
    const rules = async (...args: string[]) => {
      const find = await rendered(...args)
      return { role: find('Role') ?? find('ClusterRole'), pod: podOf(find) }
    }
    const { role, pod } = await rules()
    expect(at(pod, 'automountServiceAccountToken')).toBe(true)
    expect(role).toMatchObject({
      kind: 'Role',
      metadata: { namespace: 'edge' },
      rules: [
        { resources: ['services'], verbs: ['list', 'watch'] },
        { resources: ['endpointslices'], verbs: ['list', 'watch'] },
        { resources: ['deployments/scale', 'statefulsets/scale'], verbs: ['get', 'patch'] },
        { resources: ['leases'], verbs: ['get', 'create', 'patch'] },
      ],
    })
    const awake = await rules(
      '--set',
      'config.resolver.kubernetes.namespace=*,config.resolver.kubernetes.scaleToZero=false',
    )
    expect(awake.role).toMatchObject({ kind: 'ClusterRole' })
    expect(at(awake.role, 'rules')).toHaveLength(3)
    const other = await rules('--set', 'config.resolver.kubernetes=null,config.resolver.fixed=db:5432')
    expect(other.role).toBeUndefined()
    expect(at(other.pod, 'automountServiceAccountToken')).toBe(false)
  })

  it('scales by connections and is scraped, where that is asked for', async () => {
    const find = await rendered('--set', 'autoscaling.enabled=true,serviceMonitor.enabled=true,admin.tokenSecret=admin')
    expect(at(find('HorizontalPodAutoscaler'), 'spec')).toMatchObject({
      metrics: [{ type: 'Pods', pods: { metric: { name: 'proxy_connections' }, target: { averageValue: '5000' } } }],
    })
    expect(at(find('ServiceMonitor'), 'spec', 'endpoints')).toMatchObject([{ port: 'admin', path: '/metrics' }])
    expect(at(find('Deployment'), 'spec', 'replicas')).toBeUndefined()
    const token = { name: 'ADMIN_TOKEN', valueFrom: { secretKeyRef: { name: 'admin', key: 'token' } } }
    expect(at(podOf(find), 'containers', 0, 'env')).toContainEqual(token)
  })

  it.each(['ports[0].port=0', 'service.type=External', 'unknown=1', 'config.listeners=null'])(
    'refuses %s',
    async (value) => {
      expect(await template('--set', value)).toMatchObject({ code: 1, stderr: expect.stringContaining("don't meet") })
    },
  )
})
