import { greetSubject } from '../__fixtures__/greet-subject.ts'
import { protocolConformance } from './conformance.ts'

protocolConformance(greetSubject)
