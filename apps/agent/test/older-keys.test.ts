import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CONSENT_MIGRATIONS } from '@askee/consent'
import { errorCode, type Random, systemRandom } from '@askee/core'
import { openDatabase } from '@askee/store'
import { afterAll, describe, expect, it } from 'vitest'
import { backUpSecrets, restoreBackup } from '../src/backup.ts'
import { type AgentPaths, agentPaths } from '../src/paths.ts'
import { acceptRestored } from '../src/restored.ts'
import { openSecrets } from '../src/secrets.ts'

const folder = mkdtempSync(join(tmpdir(), 'askee-older-keys-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const software = { provider: 'software' } as const
let homes = 0
const home = () => agentPaths(join(folder, `${homes++}`))
const bytes = (fill: number) => new Uint8Array(40).fill(fill)

async function open(paths: AgentPaths, random: Random = systemRandom) {
  const secrets = await openSecrets(software, paths, random)
  // As every agent does.
  openDatabase(paths.consents, CONSENT_MIGRATIONS, secrets.sealing).close()
  return secrets
}
const refused = (paths: AgentPaths) => open(paths).then(() => 'opened', errorCode)
const fileOf = (paths: AgentPaths, name: string) => join(paths.secrets, `${name}.secret`)

/** A directory with a copy of the keys from before `mode` was changed, `gone` destroyed and `late` made. */
async function used() {
  const paths = home()
  const { keyStore } = await open(paths)
  await keyStore.replace('mode', bytes(1))
  await keyStore.replace('gone', bytes(1))
  const copy = `${paths.keys}.copy`
  cpSync(paths.keys, copy, { recursive: true })
  cpSync(paths.generations, `${copy}.generations`)
  await keyStore.replace('mode', bytes(2))
  await keyStore.destroy('gone')
  await keyStore.replace('late', bytes(3))
  await open(paths)
  const oldFile = (name: string) => readFileSync(join(copy, 'secrets', `${name}.secret`))
  return { paths, copy, oldFile }
}

describe('the key store of a data directory', () => {
  it('STO-1 is refused by name when one secret of it was put back, removed, or is there again', async () => {
    const { paths, oldFile } = await used()
    const mode = fileOf(paths, 'mode')
    const newest = readFileSync(mode)
    writeFileSync(mode, oldFile('mode'))
    const refusal = await open(paths).catch((error) => error)
    expect(errorCode(refusal)).toBe('store/rolled-back')
    expect(refusal.message).toContain('mode.secret is not what was written there last')
    rmSync(mode)
    expect((await open(paths).catch((error) => error)).message).toContain('mode.secret was there and is gone')
    writeFileSync(mode, newest)
    expect(await refused(paths)).toBe('opened')

    writeFileSync(fileOf(paths, 'gone'), oldFile('gone'))
    expect(await refused(paths)).toBe('store/rolled-back')
    rmSync(fileOf(paths, 'gone'))
    expect(await refused(paths)).toBe('opened')
  })

  it('STO-1 is refused when all of it was put back, also with the file of generations', async () => {
    const { paths, copy } = await used()
    rmSync(paths.keys, { recursive: true })
    cpSync(copy, paths.keys, { recursive: true })
    expect(await refused(paths)).toBe('store/rolled-back')
    cpSync(`${copy}.generations`, paths.generations)
    const refusal = await open(paths).catch((error) => error)
    expect(errorCode(refusal)).toBe('store/rolled-back')
    expect(refusal.message).toContain('generations is older than consents.db')
  })

  it('STO-1 tells a damaged secret from an older one', async () => {
    const { paths } = await used()
    const damaged = readFileSync(fileOf(paths, 'mode'))
    damaged[damaged.byteLength - 1]! ^= 1
    writeFileSync(fileOf(paths, 'mode'), damaged)
    expect(await refused(paths)).toMatch(/^keys\//)
  })

  it('STO-2 opens wherever a change of it was interrupted: before the file was written, and after', async () => {
    const { paths } = await used()
    let recorded: Buffer | undefined
    const watched = (then: () => void): Random => ({
      ...systemRandom,
      bytes(length) {
        // The name of a draft: what is to stand there was written down, and the file is not there yet.
        if (length === 8) then()
        return systemRandom.bytes(length)
      },
    })
    const { keyStore: doomed } = await open(
      paths,
      watched(() => {
        throw new Error('the process ends here')
      }),
    )
    await expect(doomed.replace('mode', bytes(7))).rejects.toThrow('ends here')
    const noting = watched(() => {
      recorded = readFileSync(paths.generations)
    })
    const { keyStore } = await open(paths, noting)
    expect(await keyStore.read('mode')).toEqual(bytes(2))
    await keyStore.replace('mode', bytes(8))
    writeFileSync(paths.generations, recorded as Buffer)
    expect(await (await open(paths)).keyStore.read('mode')).toEqual(bytes(8))
  })

  it('STO-1 opens again when its owner says that the copy is the own one, with every key that rotates made anew', async () => {
    const { paths, copy } = await used()
    rmSync(paths.keys, { recursive: true })
    cpSync(copy, paths.keys, { recursive: true })
    const accepted = await acceptRestored({
      dataDirectory: paths.directory,
      deviceKey: software,
      reason: 'the disk was replaced',
      confirm: async (found) => {
        expect(found).toEqual([{ name: 'keys', finding: 'older' }])
        return true
      },
    })
    expect(accepted?.databases).toEqual([{ name: 'keys', finding: 'older' }])
    const { keyStore } = await open(paths)
    expect(await keyStore.read('mode')).toEqual(bytes(1))
    expect((await keyStore.names()).filter((name) => name.startsWith('chain.'))).not.toEqual([])
    // Once: the next copy is refused again.
    await keyStore.replace('mode', bytes(5))
    writeFileSync(fileOf(paths, 'mode'), readFileSync(join(copy, 'secrets', 'mode.secret')))
    expect(await refused(paths)).toBe('store/rolled-back')
  })

  it('STO-1 opens when it came from a backup of the keys beside databases that knew others', async () => {
    const { paths } = await used()
    const { keyStore, sealing, node } = await open(paths)
    const backup = await backUpSecrets(keyStore, sealing.key, 'correct horse battery staple')
    rmSync(paths.keys, { recursive: true })
    const init = { dataDirectory: paths.directory, deviceKey: software, backup }
    await restoreBackup({ ...init, passphrase: 'correct horse battery staple' })
    expect((await open(paths)).node.id).toBe(node.id)
    expect(readdirSync(paths.secrets).length).toBeGreaterThan(5)
  })

  it('STO-1 is refused when it is of the time before a restore, whole with its device key', async () => {
    const { paths, copy } = await used()
    const { keyStore, sealing } = await open(paths)
    await keyStore.replace(`sealing.${'0'.repeat(32)}`, bytes(1))
    rmSync(copy, { recursive: true })
    cpSync(paths.keys, copy, { recursive: true })
    const backup = await backUpSecrets(keyStore, sealing.key, 'correct horse battery staple')
    rmSync(paths.keys, { recursive: true })
    const init = { dataDirectory: paths.directory, deviceKey: software, backup }
    await restoreBackup({ ...init, passphrase: 'correct horse battery staple' })
    await open(paths)
    rmSync(paths.keys, { recursive: true })
    cpSync(copy, paths.keys, { recursive: true })
    expect(await refused(paths)).toBe('store/rolled-back')
    rmSync(fileOf(paths, 'epoch'))
    expect(await refused(paths)).toBe('store/rolled-back')
  })
})
