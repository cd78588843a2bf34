import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { errorCode, type Random, systemRandom } from '@askee/core'
import { afterAll, describe, expect, it } from 'vitest'
import { agentPaths } from '../src/paths.ts'
import { openSecrets, openSecretsWith } from '../src/secrets.ts'

const folder = mkdtempSync(join(tmpdir(), 'askee-secrets-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

let homes = 0
const home = () => agentPaths(join(folder, `${homes++}`))
const software = { provider: 'software' } as const
const open = (paths: ReturnType<typeof home>, random = systemRandom) => openSecrets(software, paths, random)

/** Entropy that ends after so many calls, as a process does: between any two steps of making keys there is one. */
function endingAfter(calls: number): Random {
  let left = calls
  return {
    ...systemRandom,
    bytes(length) {
      if (left-- === 0) throw new Error('the process ends here')
      return systemRandom.bytes(length)
    },
  }
}

/** A directory in which databases were opened. */
async function used() {
  const paths = home()
  const { sealing, node } = await open(paths)
  sealing.generations?.record('some.db', { epoch: '', generation: 0, file: null })
  return { paths, node }
}

describe('the secrets of a data directory', () => {
  it('STO-2 come up again wherever their first making was interrupted, and are the same from then on', async () => {
    let interrupted = 0
    for (let calls = 0; ; calls++) {
      const paths = home()
      const ended = await open(paths, endingAfter(calls)).then(
        () => false,
        () => true,
      )
      const first = await open(paths)
      const second = await open(paths)
      expect(second.node.id).toBe(first.node.id)
      expect(second.owner.id).toBe(first.owner.id)
      expect(second.sealing.key).toEqual(first.sealing.key)
      if (!ended) break
      interrupted++
    }
    expect(interrupted).toBeGreaterThan(10)
  }, 60_000)

  it.each(['node.secret', 'owner.secret', 'audit-subjects.secret', '../store.key'])(
    'STO-2 are never made anew for data that is there: without %s nothing starts and nothing is written',
    async (name) => {
      const { paths, node } = await used()
      const path = join(paths.secrets, name)
      const bytes = readFileSync(path)
      rmSync(path)
      await expect(open(paths).catch((error) => errorCode(error))).resolves.toBe('agent/keys-missing')
      expect(existsSync(path)).toBe(false)
      writeFileSync(path, bytes)
      expect((await open(paths)).node.id).toBe(node.id)
    },
  )

  it('STO-1 tell an emptied directory from a fresh one: without the file of generations keys open nothing', async () => {
    const { paths, node } = await used()
    const bytes = readFileSync(paths.generations)
    rmSync(paths.generations)
    const refusal = await open(paths).catch((error) => error)
    expect(errorCode(refusal)).toBe('agent/generations-missing')
    expect(refusal.message).toContain('askee data accept-restored')
    expect(existsSync(paths.generations)).toBe(false)
    // Nor when the key of the databases went with it, which would be made anew.
    const storeKey = readFileSync(paths.storeKey)
    rmSync(paths.storeKey)
    await expect(open(paths).catch((error) => errorCode(error))).resolves.toBe('agent/generations-missing')
    const made = openSecrets(software, paths, systemRandom, { lostGenerations: 'make' })
    await expect(made.catch((error) => errorCode(error))).resolves.toBe('agent/keys-missing')
    expect(existsSync(paths.storeKey)).toBe(false)
    writeFileSync(paths.storeKey, storeKey)
    writeFileSync(paths.generations, bytes)
    expect((await open(paths)).node.id).toBe(node.id)
  })

  it('STO-1 write the file of generations before the first secret, so that no crash looks like an emptied directory', async () => {
    for (let calls = 0; ; calls++) {
      const paths = home()
      const ended = await open(paths, endingAfter(calls)).then(
        () => false,
        () => true,
      )
      const secrets = existsSync(paths.secrets) ? readdirSync(paths.secrets) : []
      const hasSecret = secrets.some((name) => name.endsWith('.secret'))
      if (hasSecret) expect([calls, existsSync(paths.generations)]).toEqual([calls, true])
      if (!ended) break
    }
  }, 60_000)

  it('STO-1 take no seed that somebody laid down in clear in the place of one that was held', async () => {
    const { paths } = await used()
    for (const [name, raw] of [
      ['node', paths.rawNodeKey],
      ['owner', paths.rawOwnerKey],
    ] as const) {
      const path = join(paths.secrets, `${name}.secret`)
      const bytes = readFileSync(path)
      rmSync(path)
      writeFileSync(raw, systemRandom.bytes(32))
      await expect(open(paths).catch((error) => errorCode(error))).resolves.toBe('agent/keys-missing')
      expect([existsSync(path), existsSync(raw)]).toEqual([false, true])
      writeFileSync(path, bytes)
      await expect(open(paths).catch((error) => errorCode(error))).resolves.toBe('keys/migration-conflict')
      rmSync(raw)
    }
  })

  it('KEY-2 close the device key when they cannot be opened', async () => {
    const { paths } = await used()
    rmSync(paths.generations)
    const closed: string[] = []
    const deviceKey = {
      provider: 'software' as const,
      wrap: async (secret: Uint8Array) => secret,
      unwrap: async (secret: Uint8Array) => secret,
      close: async () => void closed.push('closed'),
    }
    await expect(openSecretsWith(deviceKey, paths, systemRandom, {})).rejects.toThrow('is not there')
    expect(closed).toEqual(['closed'])
  })

  it('STO-2 without their device key, or with another kind of it, are refused, and no new one is made', async () => {
    const { paths } = await used()
    const before = readdirSync(paths.keys).sort()
    const passphraseFile = join(paths.directory, 'passphrase')
    writeFileSync(passphraseFile, 'correct horse battery staple', { mode: 0o600 })
    const other = openSecrets({ provider: 'passphrase', passphraseFile }, paths, systemRandom)
    await expect(other.catch((error) => errorCode(error))).resolves.toBe('agent/keys-missing')
    expect(readdirSync(paths.keys).sort()).toEqual(before)
    rmSync(paths.deviceKey)
    await expect(open(paths).catch((error) => errorCode(error))).resolves.toBe('agent/keys-missing')
    expect(existsSync(paths.deviceKey)).toBe(false)
  })
})
