import { defineConfig } from 'vitest/config'

/** Everything that proves a requirement within minutes. Heavier proofs: vitest.heavy.config.ts. */
export default defineConfig({
  test: {
    include: ['packages/*/test/**/*.test.ts', 'apps/*/test/**/*.test.ts', 'test/{meta,e2e,chaos}/**/*.test.ts'],
    exclude: ['**/*.heavy.test.ts', '**/node_modules/**'],
    pool: 'forks',
    testTimeout: 30_000,
    hookTimeout: 30_000,
  },
})
