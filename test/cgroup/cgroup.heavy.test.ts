import { describe, expect, it } from 'vitest'
import { NotHere } from './machine.ts'
import { measureCgroups } from './measure.ts'
import { formatMeasured } from './table.ts'

describe('a kernel with cgroup controllers', () => {
  it('SBX-1 really limits processor, memory, processes and disk, freezes and kills', async ({ skip }) => {
    try {
      const run = await measureCgroups(() => undefined)
      expect(run.isComplete, formatMeasured(run)).toBe(true)
      expect(run.results.filter(({ holds }) => !holds)).toEqual([])
      for (const what of run.notRun) console.warn(`not run here: ${what}`)
      expect(run.results.length).toBeGreaterThan(10)
    } catch (error) {
      if (!(error instanceof NotHere)) throw error
      console.warn(`not run here: ${error.message}`)
      skip(error.message)
    }
  }, 1_200_000)
})
