import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { programIn } from '../../packages/store/test/support/kill-rounds.ts'
import { killWriters } from './killed/rounds.ts'

const KILLS = 500
/** One after the other in each: as many at once as a small machine has processors. */
const SERIES = 2

const folder = mkdtempSync(join(tmpdir(), 'askee-killed-'))
let program: string
beforeAll(async () => {
  program = await programIn(folder, 'test/e2e/killed/writer.ts')
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('kill -9 of who writes to the store and the audit log', { timeout: 3_600_000 }, () => {
  it(`STO-2 AUD-1 loses nothing acknowledged, and the log verifies, ${KILLS} times`, async () => {
    const series = await Promise.all(
      Array.from({ length: SERIES }, (_, i) =>
        killWriters(join(folder, `${i}`), program, KILLS / SERIES, Math.random),
      ),
    )
    const sum = (of: 'rows' | 'acts' | 'notes') => series.reduce((total, one) => total + one[of], 0)
    process.stdout.write(
      `${KILLS} kills: ${sum('rows')} rows and fields, ${sum('acts')} acts, ${sum('notes')} checkpoints acknowledged\n`,
    )
    expect(series.flatMap(({ wrong }) => wrong)).toEqual([])
    expect(sum('acts')).toBeGreaterThan(2 * KILLS)
    expect(sum('notes')).toBeGreaterThan(KILLS / 2)
  })
})
