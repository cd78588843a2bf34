import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { errorCode } from '@askee/core'
import { lockDirectory } from '@askee/store'
import { afterAll, describe, expect, it } from 'vitest'
import { DEFAULT_INIT, startAgent } from '../src/index.ts'

const dataDirectory = mkdtempSync(join(tmpdir(), 'askee-start-'))
afterAll(() => rmSync(dataDirectory, { recursive: true, force: true }))

describe('an agent that cannot start', () => {
  it('STO-2 closes in order what it had opened before it lets go of the directory', async () => {
    writeFileSync(join(dataDirectory, 'witness.db'), Buffer.alloc(8192, 7))
    const start = startAgent({ ...DEFAULT_INIT, dataDirectory, logLevel: 'silent' })
    expect(await start.catch((error) => errorCode(error))).toBe('store/wrong-key')
    for (const name of ['audit', 'consents']) {
      expect(existsSync(join(dataDirectory, `${name}.db`))).toBe(true)
      expect(existsSync(join(dataDirectory, `${name}.db-wal`))).toBe(false)
    }
    lockDirectory(dataDirectory)()
  })
})
