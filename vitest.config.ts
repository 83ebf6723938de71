import { existsSync, readdirSync } from 'node:fs'
import { defineConfig, type ViteUserConfig } from 'vitest/config'

const members = (folder: string): string[] => readdirSync(folder).map((name) => `${folder}/${name}`)

const roots = [...members('packages'), ...members('apps'), 'bench', 'tools'].filter((root) => existsSync(root))

const config: ViteUserConfig = defineConfig({
  ssr: { resolve: { conditions: ['@proxy/source', 'module', 'node', 'development|production'] } },
  test: {
    projects: roots.map((root) => ({
      extends: true,
      test: { name: root.split('/').at(-1) ?? root, root, include: ['{src,test}/**/*.test.ts', '*.test.ts'] },
    })),
    globalSetup: ['tools/test-servers.ts'],
    reporters: ['default', './tools/skipped-reporter.ts'],
    passWithNoTests: true,
    testTimeout: 20_000,
    hookTimeout: 60_000,
  },
})

export default config
