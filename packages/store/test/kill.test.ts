import { describe, expect, it } from 'vitest'
import { temporaryFolder } from './support/folder.ts'
import { killEncrypters, killWriters } from './support/kill-rounds.ts'

const folder = temporaryFolder()

describe('kill -9', { timeout: 600_000 }, () => {
  it('STO-2 loses nothing acknowledged, 20 times in the middle of writing', async () => {
    const { acknowledged, lost } = await killWriters(folder, 20, Math.random)
    expect(lost).toEqual([])
    expect(acknowledged).toBeGreaterThan(50)
  })

  it('STO-2 leaves a whole database, plain or encrypted, in the middle of encrypting one', async () => {
    const { lost } = await killEncrypters(folder, 4, Math.random)
    expect(lost).toEqual([])
  })
})
