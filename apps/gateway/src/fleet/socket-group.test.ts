import { afterEach, expect, test } from 'vitest'
import { portOf, type SocketHandle } from './bind-socket.ts'
import { type Hold, SocketGroup } from './socket-group.ts'

const groups: SocketGroup[] = []

afterEach(() => {
  for (const group of groups.splice(0)) group.close()
})

/** Nobody listens for real: the first socket is bound as one that others may join at once. */
function group() {
  const told: string[] = []
  const lender = {
    lend: ({ id, to }: { id: number; to: Hold }, handle: SocketHandle) => {
      first ??= id - 1
      told.push(`lend ${id - first} to ${to.worker}: port ${portOf(handle)}`)
    },
    recall: ({ id, to }: { id: number; to: Hold }) => void told.push(`recall ${id - (first ?? 0)} from ${to.worker}`),
  }
  let first: number | undefined
  const of = new SocketGroup({ host: '127.0.0.1', port: 0, reusePort: true }, 1, lender)
  groups.push(of)
  const listen = (worker: number, pid = worker): Hold => {
    const hold = of.hold(worker, pid, 1)
    of.listens(hold)
    return hold
  }
  const leave = (hold: Hold): void => of.drop((one) => one === hold)
  return { of, told, listen, leave }
}

test('each worker has a socket of its own at the same port, and its successor has it again', () => {
  const { of, listen, leave } = group()
  const [one, two] = [listen(1), listen(2)]
  expect(two.seat).not.toBe(one.seat)
  expect(portOf(two.seat.handle)).toBe(portOf(one.seat.handle))
  leave(two)
  expect(of.hold(2, 22, 1).seat).toBe(two.seat)
})

test('a socket that its worker left is lent to the one that has borrowed the fewest, until its successor listens', () => {
  const { told, listen, leave } = group()
  const [one, two, , four] = [listen(1), listen(2), listen(3), listen(4)]
  const port = portOf(one.seat.handle)
  leave(one)
  expect(told).toEqual([`lend 1 to 2: port ${port}`])
  leave(four)
  expect(told.slice(1)).toEqual([`lend 2 to 3: port ${port}`])
  leave(two)
  expect(told.slice(2)).toEqual([`lend 3 to 3: port ${port}`, `lend 4 to 3: port ${port}`])
  listen(2, 22)
  expect(told.slice(4)).toEqual(['recall 4 from 3'])
})

test('nothing is lent to a process that is gone, nor a socket on which nobody ever listened', () => {
  const { of, told, listen, leave } = group()
  const one = listen(1)
  const two = of.hold(2, 2, 1)
  leave(two)
  expect(told).toEqual([])
  one.listening = false
  listen(2, 22)
  expect(told).toEqual([expect.stringMatching(/lend 1 to 2/)])
})

test('who waits to join is told when the first socket listens, and when none ever will', async () => {
  const address = { host: '127.0.0.1', port: 0, reusePort: false }
  const lender = { lend: () => undefined, recall: () => undefined }
  const [listening, closed] = [new SocketGroup(address, 1, lender), new SocketGroup(address, 1, lender)]
  groups.push(listening)
  expect([listening.joinable, closed.joinable]).toEqual([false, false])
  listening.listens(listening.hold(1, 1, 1))
  closed.close()
  await Promise.all([listening.decided, closed.decided])
  expect([listening.joinable, closed.joinable]).toEqual([true, false])
})
