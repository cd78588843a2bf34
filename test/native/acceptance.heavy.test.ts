import { describe, expect, it } from 'vitest'
import { cargoTest, missingForWarden } from './cargo.ts'

const missing = missingForWarden()
if (missing !== null) console.warn(`warden and runner over their protocol: not run here: ${missing}`)

/** The work is of the lowest priority: on a busy machine it waits. */
const PATIENCE = 1_800_000

describe.skipIf(missing !== null)('warden and runner as they are built', () => {
  it(
    'SBX-5 limits, traps, checkpoints, freezing and ends are as PROTOCOL.md says',
    async () => {
      const { status, passed, text } = await cargoTest(
        '-p',
        'askee-native-tests',
        '--',
        '--test-threads',
        '1',
      )
      expect(status, text).toBe(0)
      expect(passed).toBeGreaterThan(20)
    },
    PATIENCE,
  )
})
