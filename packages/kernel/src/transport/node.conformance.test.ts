import { transportConformance } from '@proxy/testkit'
import { nodeTransport } from './node.ts'

transportConformance({ name: "Node's transport", transport: () => nodeTransport() })
