import { describe, expect, it } from 'vitest'
import { temporaryFolder } from './support/folder.ts'
import { killEncrypters, killWriters } from './support/kill-rounds.ts'

const folder = temporaryFolder()

describe('kill -9', { timeout: 3_600_000 }, () => {
  it('STO-2 loses nothing acknowledged, 500 times in the middle of writing', async () => {
    const { acknowledged, lost } = await killWriters(folder, 500, Math.random)
    process.stdout.write(`500 kills, ${acknowledged} acknowledged\n`)
    expect(lost).toEqual([])
  })

  it('STO-2 leaves a whole database, 50 times in the middle of encrypting one', async () => {
    const { lost, interrupted } = await killEncrypters(folder, 50, Math.random)
    process.stdout.write(`50 kills, ${interrupted} of them in time\n`)
    expect(lost).toEqual([])
    expect(interrupted).toBeGreaterThan(5)
  })
})
