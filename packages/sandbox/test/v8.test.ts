import { afterAll, describe, it } from 'vitest'
import { createHeldV8Executor, locateNative } from '../src/index.ts'
import { executorAcceptance } from '../src/testing/index.ts'
import { components } from './quiet-logger.ts'
import { hurryHeld } from './support/hurry.ts'

const binaries = locateNative()
if ('missing' in binaries || process.platform !== 'linux') {
  describe('executor acceptance: v8', () => {
    it.skip(`SBX-1 not run here: ${'missing' in binaries ? binaries.missing : 'Linux only'}`, () => undefined)
  })
} else {
  const { warden } = binaries
  afterAll(hurryHeld())
  executorAcceptance('v8', () => createHeldV8Executor(components, { warden, startTimeout: 60_000 }))
}
