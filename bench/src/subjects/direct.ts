import type { Subject } from '../subject.ts'

/** No proxy: what the client, the backend and the machine can do by themselves. */
export const direct: Subject = {
  name: 'direct',
  version: async () => '',
  start: async (_bench, backend) => ({ address: backend, pid: undefined, stop: async () => undefined }),
}
