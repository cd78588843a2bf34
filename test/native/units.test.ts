import { describe, expect, it } from 'vitest'
import { cargoTest, missingForCargo } from './cargo.ts'

const missing = missingForCargo()
if (missing !== null) console.warn(`tests of the native workspace: not run here: ${missing}`)

/** Building them the first time takes some ten seconds of processor time. */
const PATIENCE = 900_000

describe.skipIf(missing !== null)('the native workspace', () => {
  it(
    'SBX-1 the tests of warden and filters pass',
    async () => {
      const { status, passed, text } = await cargoTest('-p', 'askee-filter', '-p', 'askee-warden')
      expect(status, text).toBe(0)
      expect(passed).toBeGreaterThan(40)
    },
    PATIENCE,
  )
})
