import { describe, expect, it } from 'vitest'
import { type Installs, NotHere } from './machine.ts'
import { measureCgroups } from './measure.ts'
import { formatMeasured } from './table.ts'

/** Whoever runs all tests did not ask for a package of the system. */
const INSTALLS: Installs = process.env.CI === 'true' ? 'installs' : 'leaves the system alone'

describe('a kernel with cgroup controllers', () => {
  it('SBX-1 really limits processor, memory, processes and disk, freezes and kills', async ({ skip }) => {
    try {
      const run = await measureCgroups(INSTALLS, () => undefined)
      expect(run.isComplete, formatMeasured(run)).toBe(true)
      expect(run.results.filter(({ holds }) => !holds)).toEqual([])
      for (const what of run.notRun) console.warn(`not run here: ${what}`)
      expect(run.results.length).toBeGreaterThan(10)
    } catch (error) {
      if (!(error instanceof NotHere)) throw error
      console.warn(`not run here: ${error.message}`)
      skip(error.message)
    }
  }, 2_400_000)
})
