import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { NIST_CONFIGURATION_4 } from '../src/data/nist-configuration-4.ts'
import { WORKLOADS } from '../src/index.ts'
import { doublesOf, InputWriter } from '../src/wire.ts'
import { runModule } from './host.ts'

/** Row sums of the pair energy, written for this test. */
function rowEnergies(positions: readonly number[], box: number, cutoff: number): number[] {
  const particles = Array.from({ length: positions.length / 3 }, (_, i) => positions.slice(3 * i, 3 * i + 3))
  return particles.map((a, i) => {
    let energy = 0
    for (const b of particles.slice(i + 1)) {
      const [dx, dy, dz] = a.map((value, axis) => {
        const distance = value - b[axis]!
        return distance - box * Math.floor(distance / box + 0.5)
      }) as [number, number, number]
      const squared = dx * dx + dy * dy + dz * dz
      if (squared >= cutoff * cutoff) continue
      const sixth = (1 / squared) * (1 / squared) * (1 / squared)
      energy += 4 * (sixth * sixth - sixth)
    }
    return energy
  })
}

async function rows(from: number, end: number, positions: readonly number[], box: number, cutoff: number) {
  const input = new InputWriter()
    .u32(positions.length / 3)
    .u32(from)
    .u32(end)
  const { output } = await runModule('lennard-jones', input.f64(box).f64(cutoff).f64s(positions).finish())
  return doublesOf(output, 0, end - from)
}

describe('lennard-jones', () => {
  it('SIM-1 uses the published configuration', () => {
    const file = new URL(
      '../../../test/vectors/lennard-jones/lj_sample_config_periodic4.xyz',
      import.meta.url,
    )
    const lines = readFileSync(file, 'utf8').trim().split('\n')
    const numbers = lines.slice(2).flatMap((line) => line.split(' ').slice(1).map(Number))
    expect(NIST_CONFIGURATION_4.positions).toEqual(numbers)
    expect(lines[1]).toBe('1 8.0 8.0 8.0')
  })

  it('SIM-1 expects the energy that NIST publishes, -16.790, and every bit of the double', () => {
    const { positions, box } = NIST_CONFIGURATION_4
    const energy = rowEnergies(positions, box, 3).reduce((sum, row) => sum + row, 0)
    expect(WORKLOADS.get('lennard-jones')?.expected('default')).toBe(String(energy))
    expect(energy.toFixed(6)).toBe('-16.790321')
  })

  it('WSM-1 gives the bits of any other implementation with the same order of operations', async () => {
    const system = fc.record({
      positions: fc
        .array(fc.double({ min: -20, max: 20, noNaN: true }), { minLength: 3, maxLength: 45 })
        .map((values) => values.slice(0, values.length - (values.length % 3))),
      box: fc.double({ min: 2, max: 12, noNaN: true }),
    })
    await fc.assert(
      fc.asyncProperty(system, async ({ positions, box }) => {
        const cutoff = box / 2.5
        const actual = await rows(0, positions.length / 3, positions, box, cutoff)
        expect([...actual]).toEqual(rowEnergies(positions, box, cutoff))
      }),
      { numRuns: 60 },
    )
  })
})
