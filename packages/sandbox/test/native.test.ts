import { describe, it } from 'vitest'
import { createNativeExecutor, locateNative } from '../src/index.ts'
import { executorAcceptance } from '../src/testing/index.ts'
import { components } from './quiet-logger.ts'

const binaries = locateNative()
if ('missing' in binaries) {
  describe('executor acceptance: native', () => {
    it.skip(`SBX-1 not run here: ${binaries.missing}`, () => undefined)
  })
} else {
  executorAcceptance('native', () => createNativeExecutor(components, { binaries }))
}
