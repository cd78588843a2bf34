import { describe, expect, it } from 'vitest'
import { runSuite, withoutBareRun } from './suite.ts'
import { formatRows } from './table.ts'
import { missingPrograms } from './warden.ts'

/** Some minutes when nothing else runs, a quarter of an hour at load 25. */
const PATIENCE = 2_400_000
const missing = missingPrograms()
if (missing !== null) console.warn(`escape suite: not run here: ${missing}`)

describe.skipIf(missing !== null)('the escape suite', () => {
  it(
    'SBX-4 stops all attempts of this system, with and without seccomp, and its controls succeed',
    async () => {
      const rows = await runSuite({ thorough: 'full' })
      expect(rows.map(({ number }) => number)).toEqual(Array.from({ length: 50 }, (_, index) => index + 1))
      const failed = rows.filter(({ verdict }) => verdict !== 'held' && verdict !== 'not run here')
      expect(failed, formatRows(failed)).toEqual([])
      // What the agent or the warden stops itself, neither of which has a filter.
      expect(withoutBareRun(rows)).toEqual([15, 18, 41, 50])
    },
    PATIENCE,
  )
})
