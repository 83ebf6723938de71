import { defineConfig, type Options } from 'tsup'

export type Config = ReturnType<typeof defineConfig>

/** ESM only, for the oldest maintained Node line; `tsc -p tsconfig.build.json` writes the declarations afterwards. */
export const esm = (entry: Record<string, string>, more: Options = {}): Config =>
  defineConfig({
    entry,
    format: 'esm',
    target: 'node22',
    platform: 'node',
    dts: false,
    sourcemap: true,
    clean: true,
    removeNodeProtocol: false,
    ...more,
  })
