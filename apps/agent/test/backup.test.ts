import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { errorCode, silentLogger, systemClock, systemRandom, systemTimers } from '@askee/core'
import {
  backUpKeys,
  createIdentity,
  createPeerKeys,
  createVoidBook,
  createVoidMemory,
  openKeyStore,
  openSoftwareDeviceKey,
  signAdoption,
  signIdentityVoid,
} from '@askee/keys'
import { createVault, openDatabase, openGenerations, VAULT_MIGRATIONS } from '@askee/store'
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import { backUpSecrets, restoreBackup } from '../src/backup.ts'
import { agentPaths } from '../src/paths.ts'
import { openSecrets } from '../src/secrets.ts'

const folder = mkdtempSync(join(tmpdir(), 'askee-backup-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const PASSPHRASE = 'correct horse battery staple'
const software = { provider: 'software' } as const
let homes = 0
const home = (): string => join(folder, `${homes++}`)

async function secretsOf(directory: string) {
  return openSecrets(software, agentPaths(directory), systemRandom)
}

async function codeOf(work: Promise<unknown>): Promise<string | undefined> {
  return work.then(
    () => 'resolved',
    (error: unknown) => errorCode(error),
  )
}

describe('a backup of keys', () => {
  it('KEY-2 gives back every lasting secret under another device key, and no key that rotates', async () => {
    const before = await secretsOf(home())
    await before.keyStore.replace('sealing.00', new Uint8Array(32))
    const backup = await backUpSecrets(before.keyStore, before.sealing.key, PASSPHRASE)
    const dataDirectory = home()
    const node = await restoreBackup({ dataDirectory, deviceKey: software, backup, passphrase: PASSPHRASE })
    const after = await secretsOf(dataDirectory)
    expect(node).toBe(before.node.id)
    expect(after.owner.id).toBe(before.owner.id)
    expect(after.sealing.key).toEqual(before.sealing.key)
    expect(after.subjectKey).toEqual(before.subjectKey)
    expect(await after.keyStore.names()).not.toContain('sealing.00')
    const wrapped = await before.vaultKey.wrapping.wrap(Uint8Array.of(1, 2), 'a')
    expect(await after.vaultKey.wrapping.unwrap(wrapped, 'a')).toEqual(Uint8Array.of(1, 2))
    expect(after.vaultKey.isOutdated()).toBe(false)
  }, 60_000)

  it('KEY-2 brings back every void identity of known nodes and what is told of them, be there as many as can', async () => {
    const before = await secretsOf(home())
    const parts = { timers: systemTimers, random: systemRandom, logger: silentLogger }
    const openVoids = async (store: typeof before.keyStore) => {
      const peerKeys = createPeerKeys(systemClock)
      const memory = createVoidMemory({ ...parts, store, peerKeys })
      const told: Uint8Array[] = []
      const announcer = { announce: async (_: unknown, document: Uint8Array) => void told.push(document) }
      const book = createVoidBook({ ...parts, store, peerKeys, announcer })
      await memory.start()
      await book.start()
      const stop = async () => {
        await book.stop()
        await memory.stop()
      }
      return { peerKeys, book, told, stop }
    }
    const voids = await openVoids(before.keyStore)
    const known = Array.from({ length: 968 }, () => createIdentity(systemRandom).id)
    const root = createIdentity(systemRandom)
    const now = systemClock.now()
    for (let i = 0; i < 32; i++) {
      const lost = createIdentity(systemRandom)
      const document = signIdentityVoid(root, signAdoption(lost, root.id, now), {
        at: now,
        reason: 'compromised',
      })
      if (i === 31) voids.peerKeys.recallVoid(known.slice(0, 968), 'known')
      await voids.book.publish(document)
      known.push(lost.id)
    }
    await voids.stop()
    await before.keyStore.replace('owner-root', new Uint8Array(1024))
    const backup = await backUpSecrets(before.keyStore, before.sealing.key, PASSPHRASE)
    const dataDirectory = home()
    await restoreBackup({ dataDirectory, deviceKey: software, backup, passphrase: PASSPHRASE })
    const after = await openVoids((await secretsOf(dataDirectory)).keyStore)
    expect([...after.peerKeys.voids.list('known')].sort()).toEqual(known.sort())
    expect(after.told).toHaveLength(8)
    await after.stop()
  }, 60_000)

  it('KEY-2 with any byte changed, or cut short, is refused as that and leaves nothing', async () => {
    const before = await secretsOf(home())
    const backup = await backUpSecrets(before.keyStore, before.sealing.key, PASSPHRASE)
    const dataDirectory = home()
    const change = fc.record({
      at: fc.nat(backup.byteLength - 1),
      by: fc.integer({ min: 1, max: 255 }),
      how: fc.constantFrom('flip', 'cut'),
    })
    await fc.assert(
      fc.asyncProperty(change, async ({ at, by, how }) => {
        const changed = how === 'cut' ? backup.slice(0, at) : Uint8Array.from(backup)
        if (how === 'flip') changed[at] = (changed[at] as number) ^ by
        const init = { dataDirectory, deviceKey: software, backup: changed, passphrase: PASSPHRASE }
        expect(await codeOf(restoreBackup(init))).toBe('keys/locked-file')
        expect(readdirSync(dataDirectory)).toEqual(['lock'])
      }),
      { numRuns: 60 },
    )
  }, 60_000)

  it('KEY-2 that lacks a secret, or finds keys, restores nothing; a half restored one of before is cleared', async () => {
    const deviceKey = await openSoftwareDeviceKey({ path: join(home(), 'device.key'), random: systemRandom })
    const store = await openKeyStore({ directory: home(), deviceKey, random: systemRandom })
    await store.identity('node')
    const backup = await backUpKeys(store, ['node'], PASSPHRASE, systemRandom)
    const dataDirectory = home()
    const init = { dataDirectory, deviceKey: software, backup, passphrase: PASSPHRASE }
    expect(await codeOf(restoreBackup(init))).toBe('agent/backup-incomplete')
    expect(existsSync(join(dataDirectory, 'keys'))).toBe(false)

    const whole = await secretsOf(home())
    const good = await backUpSecrets(whole.keyStore, whole.sealing.key, PASSPHRASE)
    mkdirSync(join(dataDirectory, 'keys'), { recursive: true })
    writeFileSync(join(dataDirectory, 'keys', 'node.key'), 'x')
    expect(await codeOf(restoreBackup({ ...init, backup: good }))).toBe('agent/restore-occupied')
    rmSync(join(dataDirectory, 'keys'), { recursive: true })
    mkdirSync(join(dataDirectory, 'keys.restoring', 'secrets'), { recursive: true })
    writeFileSync(join(dataDirectory, 'keys.restoring', 'secrets', 'owner.secret'), 'of a crash')
    expect(await restoreBackup({ ...init, backup: good })).toBe(whole.node.id)
    expect(existsSync(join(dataDirectory, 'generations'))).toBe(true)
    expect(existsSync(join(dataDirectory, 'keys.restoring'))).toBe(false)
  }, 60_000)
})

describe('the key of the vault', () => {
  it('KEY-2 opens a vault of before, that the device key wrapped, and once rotated needs that no more', async () => {
    const directory = home()
    const secrets = await secretsOf(directory)
    const key = secrets.sealing.key
    const generations = openGenerations({ random: systemRandom }, { path: join(directory, 'g'), key })
    const database = openDatabase(join(directory, 'vault.db'), VAULT_MIGRATIONS, { key, generations })
    const others = { database, clock: systemClock, random: systemRandom, timers: systemTimers }
    const place = { record: 'r', path: 'p', version: 1 }
    const old = await createVault({ ...others, deviceKey: secrets.deviceKey })
    const sealed = old.seal('somebody', place, Uint8Array.of(7))
    old.close()

    const { wrapping, isOutdated } = secrets.vaultKey
    const vault = await createVault({ ...others, deviceKey: wrapping })
    expect(isOutdated()).toBe(true)
    await vault.rotate()
    vault.close()
    const again = await secretsOf(directory)
    const opened = await createVault({ ...others, deviceKey: again.vaultKey.wrapping })
    expect(opened.open('somebody', place, sealed)).toEqual(Uint8Array.of(7))
    expect(again.vaultKey.isOutdated()).toBe(false)
    database.close()
  })
})
