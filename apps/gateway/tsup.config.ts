import { cp } from 'node:fs/promises'
import { type Config, esm } from '../../tsup.base.ts'

const config: Config = esm(
  { index: 'src/index.ts', main: 'src/main.ts' },
  {
    // The operator's page is served as it was written.
    onSuccess: () => cp('src/admin/page', 'dist/page', { recursive: true }),
  },
)

export default config
