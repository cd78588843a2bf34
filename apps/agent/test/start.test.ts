import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CONSENT_MIGRATIONS } from '@askee/consent'
import { errorCode } from '@askee/core'
import type { Executor } from '@askee/sandbox'
import { lockDirectory, openDatabase } from '@askee/store'
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

  it('STO-2 stops cleanly when it is told to while it starts, and starts again', async () => {
    const own = mkdtempSync(join(tmpdir(), 'askee-start-told-'))
    const init = { ...DEFAULT_INIT, dataDirectory: own, localDiscovery: 'off', logLevel: 'silent' } as const
    const told = new Error('told to stop')
    await expect(startAgent(init, {}, AbortSignal.abort(told))).rejects.toBe(told)
    lockDirectory(own)()
    const controller = new AbortController()
    // When everything is open, and nothing has started.
    const executor = (made: Executor): Executor => {
      controller.abort(told)
      return made
    }
    await expect(startAgent(init, { executor }, controller.signal)).rejects.toBe(told)
    for (const name of ['audit', 'consents', 'witness']) {
      expect([name, existsSync(join(own, `${name}.db`))]).toEqual([name, true])
      expect([name, existsSync(join(own, `${name}.db-wal`))]).toEqual([name, false])
    }
    lockDirectory(own)()
    rmSync(own, { recursive: true })
  })

  it('STO-1 takes no consents that somebody laid there, whatever else is deleted', async () => {
    const started = () =>
      startAgent({ ...DEFAULT_INIT, dataDirectory, logLevel: 'silent' }).catch((error) => errorCode(error))
    const consents = join(dataDirectory, 'consents.db')
    rmSync(join(dataDirectory, 'witness.db'))
    rmSync(consents)
    openDatabase(consents, CONSENT_MIGRATIONS).close()
    // Known to have been encrypted, then with nothing known of it, then alone.
    expect(await started()).toBe('store/not-encrypted')
    rmSync(join(dataDirectory, 'generations'))
    expect(await started()).toBe('agent/generations-missing')
    for (const name of ['audit.db', 'consents.db']) rmSync(join(dataDirectory, name))
    expect(await started()).toBe('agent/generations-missing')
    rmSync(join(dataDirectory, 'keys'), { recursive: true })
    openDatabase(consents, CONSENT_MIGRATIONS).close()
    expect(await started()).toBe('store/not-encrypted')
  })
})
