import { resolverConformance } from '@proxy/testkit'
import { ResolveError } from '../errors.ts'
import { firstOf } from './first-of.ts'
import { fixedResolver } from './fixed.ts'
import { toResolver } from './function.ts'
import { staticResolver } from './static.ts'

const known = [
  { key: 'alpha', endpoint: '10.1.0.1:5432' },
  { key: 'beta.example', endpoint: '10.1.0.2:5432' },
]
const table = { alpha: '10.1.0.1:5432', '*.example': '10.1.0.2:5432' }

resolverConformance({
  name: 'staticResolver',
  resolver: () => staticResolver(table),
  known,
  unknown: 'gamma',
  sync: true,
})
resolverConformance({
  name: 'staticResolver with a default',
  resolver: () => staticResolver({ ...table, '*': 'rest:1' }),
  known: [...known, { key: 'anything', endpoint: 'rest:1' }],
  sync: true,
})
resolverConformance({
  name: 'fixedResolver',
  resolver: () => fixedResolver('10.1.0.1:5432'),
  known: [{ key: 'whatever', endpoint: '10.1.0.1:5432' }],
  sync: true,
})
resolverConformance({
  name: 'firstOf, synchronous',
  resolver: () => firstOf(staticResolver({ alpha: '10.1.0.1:5432' }), staticResolver({ '*.example': '10.1.0.2:5432' })),
  known,
  unknown: 'gamma',
  sync: true,
})
resolverConformance({
  name: 'firstOf, asynchronous and failing over',
  resolver: () => firstOf(async () => Promise.reject(new ResolveError('UNAVAILABLE')), staticResolver(table)),
  known,
})
resolverConformance({
  name: 'a function',
  resolver: () => toResolver(async (request, signal) => staticResolver(table).resolve(request, signal)),
  known,
  unknown: 'gamma',
})
