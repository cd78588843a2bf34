import {
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { errorCode, systemRandom } from '@askee/core'
import { lockDirectory } from '@askee/store'
import { afterAll, describe, expect, it } from 'vitest'
import { keychainAccounts, openDeviceKey } from '../src/device-key.ts'
import { DEFAULT_INIT, startAgent } from '../src/index.ts'
import { agentPaths } from '../src/paths.ts'

const folder = realpathSync(mkdtempSync(join(tmpdir(), 'askee-agent-device-key-')))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const software = { provider: 'software' } as const
const PARTIALS = ['device.key.0123456789abcdef.partial', 'device.passphrase.0123456789abcdef.partial']

describe('the device key of an agent', () => {
  it('KEY-2 leaves no copy of a key that a kill -9 left half made, and touches nothing else', async () => {
    const paths = agentPaths(join(folder, 'partials'))
    const key = await openDeviceKey(software, paths, systemRandom)
    const wrapped = await key.wrap(Uint8Array.of(1), 'a')
    await key.close()
    // Killed before the key got its name, and after: then both names are of one file.
    writeFileSync(join(paths.keys, PARTIALS[1] as string), 'half')
    linkSync(paths.deviceKey, join(paths.keys, PARTIALS[0] as string))
    writeFileSync(join(paths.keys, 'device.key.copy'), 'kept by its owner')
    const again = await openDeviceKey(software, paths, systemRandom)
    expect(readdirSync(paths.keys).sort()).toEqual(['device.key', 'device.key.copy'])
    expect(await again.unwrap(wrapped, 'a')).toEqual(Uint8Array.of(1))
    await again.close()
  })

  it('KEY-2 leaves one that another process may be writing', async () => {
    const dataDirectory = join(folder, 'busy')
    const { keys } = agentPaths(dataDirectory)
    const release = lockDirectory(dataDirectory)
    mkdirSync(keys)
    const partial = join(keys, PARTIALS[0] as string)
    writeFileSync(partial, 'being written')
    const started = startAgent({ ...DEFAULT_INIT, dataDirectory, logLevel: 'silent' })
    expect(await started.catch((error) => errorCode(error))).toBe('store/in-use')
    expect(existsSync(partial)).toBe(true)
    release()
  })

  it('KEY-2 has one name in the keychain, however the directory is typed', async () => {
    const real = join(folder, 'data')
    mkdirSync(real)
    symlinkSync(real, join(folder, 'link'))
    const typed = [real, `${real}/`, join(folder, 'link'), relative(process.cwd(), real), `${folder}/./data`]
    for (const directory of typed) {
      const none = { account: real, formerAccounts: [] }
      // Without secrets an old entry is of another directory that was called the same.
      expect([directory, await keychainAccounts(agentPaths(directory))]).toEqual([directory, none])
    }
    mkdirSync(join(real, 'keys', 'secrets'), { recursive: true })
    writeFileSync(join(real, 'keys', 'secrets', 'node.secret'), '')
    const accounts = await Promise.all(typed.map((directory) => keychainAccounts(agentPaths(directory))))
    expect(accounts.map(({ formerAccounts }) => formerAccounts)).toEqual([
      [],
      [`${real}/`],
      [join(folder, 'link')],
      [relative(process.cwd(), real)],
      [`${folder}/./data`],
    ])
  })
})
