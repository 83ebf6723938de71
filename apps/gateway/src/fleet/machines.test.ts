import { describe, expect, it } from 'vitest'
import { machineTopics, type Machines, mayTravel, WorkerMachines } from './machines.ts'
import { type Envelope, PeerLink } from './peer-link.ts'

/** A primary and one worker. */
function machine(): { primary: PeerLink; worker: PeerLink } {
  const primary = new PeerLink(0, (envelope) => deliver(worker, envelope))
  const worker = new PeerLink(1, (envelope) => deliver(primary, envelope))
  return { primary, worker }
}

function deliver(to: PeerLink, envelope: Envelope): boolean {
  queueMicrotask(() => to.receive(JSON.parse(JSON.stringify(envelope)) as Envelope))
  return true
}

describe('messages between machines', () => {
  it('are those of protocols: nothing by which a gateway is run', () => {
    const topics = ['postgresql:cancel', 'mysql:connections', 'mysql:tenants', 'tcp:own']
    expect(topics.filter(mayTravel)).toEqual(topics)
    for (const topic of ['worker:drain', 'operate:kill', 'resolver:wake', 'reload:commit', 'machines:node', '', 'x']) {
      expect(mayTravel(topic)).toBe(false)
    }
  })

  it('go through the primary, those to the own machine do not', async () => {
    const { primary, worker } = machine()
    worker.machines = new WorkerMachines(worker, 3)
    const asked: unknown[] = []
    primary.answer(machineTopics.request, (request) => void asked.push(request))
    primary.answer(machineTopics.others, () => [1, 2])
    primary.answer('mysql:here', () => 'here')
    await worker.request(9, 'mysql:there', { id: 1 }, 7)
    expect(asked).toEqual([{ node: 7, peer: 9, topic: 'mysql:there', message: { id: 1 } }])
    expect(await worker.request(0, 'mysql:here', undefined, 3)).toBe('here')
    expect(await worker.others('mysql:tenants', undefined)).toEqual([1, 2])
  })

  it('reach nobody from a machine that is alone', async () => {
    const { worker } = machine()
    expect(worker.node).toBeUndefined()
    await expect(worker.request(0, 'mysql:there', undefined, 7)).rejects.toThrow('there is no node 7')
    expect(await worker.others('mysql:tenants', undefined)).toEqual([])
  })

  it('follow the number of the machine', async () => {
    const { primary, worker } = machine()
    const machines: Machines = new WorkerMachines(worker, 255)
    worker.machines = machines
    await primary.ask(1, machineTopics.node, 4, 1_000)
    expect(worker.node).toBe(4)
  })
})
