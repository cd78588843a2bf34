import { describe, expect, it } from 'vitest'
import { missingPrograms } from '../escape/warden.ts'
import { describeBeside, killBeside } from './beside.ts'
import { describeKillings, killMany } from './kill-many.ts'

/** The number that issue and measurements speak of: some 75 s on two quiet processors. */
const KILLS = Number(process.env.ASKEE_KILLS ?? 500)
const missing = missingPrograms()
if (missing !== null) console.warn(`kill -9 of agent and warden: not run here: ${missing}`)

describe.skipIf(missing !== null)('kill -9 of agent or warden', () => {
  it('SBX-5 at a random moment, five hundred times, leaves no process and no file behind', async () => {
    const killings = await killMany(KILLS)
    console.log(await describeKillings(killings))
    expect(killings.left).toEqual([])
    expect(Math.max(...killings.spans)).toBeLessThan(5_000)
  })

  it('SBX-5 beside busy programs leaves nothing behind either', async () => {
    for (const victim of ['warden', 'agent'] as const) {
      const beside = await killBeside(victim, 25)
      console.log(describeBeside(beside))
      expect(beside.left).toEqual([])
      expect(Math.max(...beside.spans)).toBeLessThan(5_000)
    }
  })
})
