import { describe, expect, it } from 'vitest'
import { temporaryFolder } from './support/folder.ts'
import { killEncrypters } from './support/kill-rounds.ts'

const folder = temporaryFolder()

// 500 times in the middle of writing, with the audit log beside: test/e2e/killed-writers.heavy.test.ts
describe('kill -9', { timeout: 3_600_000 }, () => {
  it('STO-2 leaves a whole database, 50 times in the middle of encrypting one', async () => {
    const { lost, interrupted } = await killEncrypters(folder, 50, Math.random)
    process.stdout.write(`50 kills, ${interrupted} of them in time\n`)
    expect(lost).toEqual([])
    expect(interrupted).toBeGreaterThan(5)
  })
})
