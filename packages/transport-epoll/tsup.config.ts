import { type Config, esm } from '../../tsup.base.ts'

const config: Config = esm({ index: 'src/index.ts' })

export default config
