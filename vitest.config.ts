import { defineConfig } from 'vitest/config'

const exclude = ['**/*.heavy.test.ts', '**/node_modules/**']

/** Everything that proves a requirement within minutes. Heavier proofs: vitest.heavy.config.ts. */
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'parts',
          include: ['packages/*/test/**/*.test.ts', 'apps/*/test/**/*.test.ts', 'test/meta/**/*.test.ts'],
          exclude,
          pool: 'forks',
          maxWorkers: 2,
          testTimeout: 60_000,
          hookTimeout: 60_000,
          sequence: { groupOrder: 0 },
        },
      },
      {
        // Whole meshes of processes: they wait as often as they compute, so two at once, but none beside the tests of the parts.
        test: {
          name: 'whole',
          include: ['test/{e2e,chaos,native}/**/*.test.ts'],
          exclude,
          pool: 'forks',
          maxWorkers: 2,
          testTimeout: 120_000,
          hookTimeout: 60_000,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
})
