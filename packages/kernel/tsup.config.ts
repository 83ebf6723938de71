import { type Config, esm } from '../../tsup.base.ts'

const config: Config = esm({ index: 'src/index.ts', 'layers/index': 'src/layers/index.ts' })

export default config
