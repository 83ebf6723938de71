import fc from 'fast-check'
import { expect, it } from 'vitest'
import { backend } from '../backend.ts'
import { RouteStore, type StoredRoute } from './route-store.ts'

const route = (slot: string, key: string, id: string | undefined, expiresAt = 100): StoredRoute => ({
  slot,
  key,
  backend: id === undefined ? undefined : backend({ endpoint: 'a:1', id }),
  error: undefined,
  expiresAt,
  used: false,
})

it('never holds more than its bound, and never what was forgotten', () => {
  const name = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g')
  const command = fc.oneof(
    fc.record({ do: fc.constant('set' as const), slot: name, name, id: fc.option(name, { nil: undefined }) }),
    fc.record({ do: fc.constant('get' as const), slot: name }),
    fc.record({ do: fc.constant('forgetKey' as const), name }),
    fc.record({ do: fc.constant('forgetBackend' as const), name }),
  )
  fc.assert(
    fc.property(fc.array(command, { maxLength: 200 }), fc.integer({ min: 1, max: 5 }), (commands, most) => {
      const store = new RouteStore(most)
      const model = new Map<string, StoredRoute>()
      for (const step of commands) {
        if (step.do === 'set') {
          const made = route(step.slot, step.name, step.id)
          store.set(made)
          model.set(step.slot, made)
          expect(store.get(step.slot, 0)).toBe(made)
        } else if (step.do === 'get') {
          expect([undefined, model.get(step.slot)]).toContain(store.get(step.slot, 0))
        } else {
          const doomed = (one: StoredRoute): boolean =>
            step.do === 'forgetKey' ? one.key === step.name : one.backend?.id === step.name
          store[step.do](step.name)
          for (const [slot, one] of model) if (doomed(one)) model.delete(slot)
          for (const slot of model.keys()) expect([undefined, model.get(slot)]).toContain(store.get(slot, 0))
        }
        expect(store.size).toBeLessThanOrEqual(most)
      }
    }),
  )
})

it('drops what has expired when it is asked for', () => {
  const store = new RouteStore(5)
  store.set(route('s', 'k', 'b', 10))
  expect(store.get('s', 9)).toBeDefined()
  expect(store.get('s', 10)).toBeUndefined()
  expect(store.size).toBe(0)
})

it('keeps what was stored anew under another key and backend when the old ones are forgotten', () => {
  const store = new RouteStore(5)
  store.set(route('s', 'old', 'old'))
  store.set(route('s', 'new', 'new'))
  store.forgetKey('old')
  store.forgetBackend('old')
  expect(store.get('s', 0)).toMatchObject({ key: 'new' })
})
