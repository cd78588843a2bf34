import { fromUtf8, utf8 } from '@askee/core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { PROTEINS } from '../src/data/proteins.ts'
import { pairsOf, summary } from '../src/data-processing/smith-waterman.ts'
import { WORKLOADS } from '../src/index.ts'
import { InputWriter } from '../src/wire.ts'
import { runModule } from './host.ts'
import { localScore, RESIDUES, waterMissing, waterScore } from './reference/smith-waterman.ts'
import { WATER_SCORES } from './reference/water-scores.ts'

async function scores(pairs: readonly (readonly [string, string])[]): Promise<string[]> {
  const input = new InputWriter().u32(20).u32(1).u32(pairs.length)
  for (const sequence of pairs.flat()) input.u32(sequence.length).bytes(utf8(sequence))
  return fromUtf8((await runModule('smith-waterman', input.finish())).output)
    .trimEnd()
    .split('\n')
}

const residues = fc.string({ unit: fc.constantFrom(...RESIDUES), minLength: 1, maxLength: 25 })

describe('smith-waterman', () => {
  it('SIM-1 gives the recorded scores of EMBOSS water, and the expected answer is made of them', async () => {
    const pairs = pairsOf('default').flat()
    expect(pairs).toEqual(WATER_SCORES.map(([a, b]) => [a, b]))
    const recorded = WATER_SCORES.map(([, , score]) => score)
    expect(await scores(pairs.map(([a, b]) => [PROTEINS[a], PROTEINS[b]]))).toEqual(recorded)
    expect(WORKLOADS.get('smith-waterman')?.expected('default')).toBe(summary(recorded))
  })

  const missing = waterMissing()
  if (missing !== undefined) console.warn(`skipped: ${missing}`)

  it.skipIf(missing !== undefined)('SIM-1 gives the scores of EMBOSS water run here', async () => {
    // Not shorter: water 6.6.0 prints a meaningless score for a sequence of one residue.
    const long = residues.filter((sequence) => sequence.length >= 8)
    const random = fc.sample(fc.tuple(long, long), { numRuns: 10, seed: 4 })
    // Related sequences with pieces missing, so that the best alignments need gaps.
    const { HBA_HUMAN, HBB_HUMAN, RASH_HUMAN } = PROTEINS
    const gapped = [
      [HBA_HUMAN, HBA_HUMAN.slice(0, 60) + HBA_HUMAN.slice(75)],
      [HBB_HUMAN.slice(0, 40) + HBB_HUMAN.slice(44, 90) + HBB_HUMAN.slice(98), HBB_HUMAN],
      [RASH_HUMAN.slice(0, 50) + HBA_HUMAN.slice(20, 45) + RASH_HUMAN.slice(50), RASH_HUMAN],
    ] as [string, string][]
    const pairs = [...gapped, ...random]
    const fromWater = pairs.map(([a, b]) => waterScore(a, b))
    expect(await scores(pairs)).toEqual(fromWater)
  })

  it('SIM-1 agrees with the recurrence that looks at gaps of every length', async () => {
    await fc.assert(
      fc.asyncProperty(residues, residues, async (a, b) => {
        expect(await scores([[a, b]])).toEqual([localScore(a, b).toFixed(1)])
      }),
      { numRuns: 60 },
    )
  })

  it('WSM-1 traps on a letter that stands for no residue', async () => {
    await expect(scores([['MKV', 'MJV']])).rejects.toThrow('unreachable')
  })
})
