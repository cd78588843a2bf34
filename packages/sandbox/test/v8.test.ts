import { afterAll, describe, it } from 'vitest'
import { createHeldV8Executor } from '../src/index.ts'
import { executorAcceptance } from '../src/testing/index.ts'
import { components } from './quiet-logger.ts'
import { locateV8 } from './support/held-v8.ts'
import { hurryHeld } from './support/hurry.ts'

const found = locateV8()
if ('missing' in found) {
  describe('executor acceptance: v8', () => {
    it.skip(`SBX-1 not run here: ${found.missing}`, () => undefined)
  })
} else {
  const { warden } = found
  afterAll(hurryHeld())
  executorAcceptance('v8', () => createHeldV8Executor(components, { warden, startTimeout: 50_000 }))
}
