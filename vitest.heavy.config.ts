import { defineConfig } from 'vitest/config'

/** Proofs that take minutes: full-size answers, long differential runs. */
export default defineConfig({
  test: {
    include: [
      'packages/*/test/**/*.heavy.test.ts',
      'apps/*/test/**/*.heavy.test.ts',
      'test/**/*.heavy.test.ts',
    ],
    pool: 'forks',
    // Each takes every processor there is, and some measure.
    fileParallelism: false,
    testTimeout: 1_200_000,
    hookTimeout: 120_000,
  },
})
