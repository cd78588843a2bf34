import { describe, expect, it } from 'vitest'
import { missingPrograms } from '../escape/warden.ts'
import { describeKillings, killMany } from './kill-many.ts'

const missing = missingPrograms()
if (missing !== null) console.warn(`kill -9 of agent and warden: not run here: ${missing}`)

describe.skipIf(missing !== null)('kill -9 of agent or warden', () => {
  it('SBX-5 at a random moment leaves no process and no file behind', async () => {
    const killings = await killMany(30)
    console.log(await describeKillings(killings))
    expect(killings.left).toEqual([])
    expect(Math.max(...killings.spans)).toBeLessThan(5_000)
  })
})
