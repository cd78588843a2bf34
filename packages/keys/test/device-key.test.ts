import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { errorCode, systemRandom, utf8 } from '@askee/core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  changePassphrase,
  openKeychainDeviceKey,
  openPassphraseDeviceKey,
  openPkcs11DeviceKey,
  openSoftwareDeviceKey,
} from '../src/index.ts'
import { deviceKeyAcceptance } from '../src/testing/index.ts'
import { secretServiceMissing, startSecretService } from './support/secret-service.ts'
import { initialiseToken, PIN, softHsm, TOKEN_LABEL } from './support/soft-hsm.ts'

const random = systemRandom
const folder = mkdtempSync(join(tmpdir(), 'askee-device-key-'))
afterAll(() => rmSync(folder, { recursive: true }))

const test = { describe, it, expect, beforeAll, afterAll }
const phrase = async (): Promise<string> => 'correct horse battery staple'

async function codeOf(promise: Promise<unknown>): Promise<string | undefined> {
  return promise.then(
    () => 'resolved',
    (error: unknown) => errorCode(error) ?? String(error),
  )
}

deviceKeyAcceptance(test, 'software', async () => ({
  open: (name) => openSoftwareDeviceKey({ path: join(folder, 'software', name), random }),
}))

deviceKeyAcceptance(test, 'passphrase', async () => ({
  open: (name) =>
    openPassphraseDeviceKey({ path: join(folder, 'passphrase', name), passphrase: phrase, random }),
}))

describe('device key in a file', () => {
  it('STO-1 stands in a file of mode 0600; another length is refused with what to do', async () => {
    const path = join(folder, 'own', 'device.key')
    await (await openSoftwareDeviceKey({ path, random })).close()
    if (process.platform !== 'win32') expect(statSync(path).mode & 0o777).toBe(0o600)
    expect(readFileSync(path)).toHaveLength(32)
    writeFileSync(path, readFileSync(path).subarray(0, 31))
    expect(await codeOf(openSoftwareDeviceKey({ path, random }))).toBe('keys/device-key-file')
  })

  it('KEY-2 gives two starts at once the same key', async () => {
    const path = join(folder, 'race', 'device.key')
    const keys = await Promise.all(Array.from({ length: 8 }, () => openSoftwareDeviceKey({ path, random })))
    const wrapped = await keys[0]?.wrap(utf8('secret'), 'race')
    for (const key of keys) expect(await key.unwrap(wrapped as Uint8Array, 'race')).toEqual(utf8('secret'))
  })
})

describe('device key behind a passphrase', () => {
  const path = join(folder, 'phrase', 'device.key')

  it('KEY-2 names a wrong passphrase as such', async () => {
    await (await openPassphraseDeviceKey({ path, passphrase: phrase, random })).close()
    const wrong = openPassphraseDeviceKey({ path, passphrase: async () => 'correct horse', random })
    expect(await codeOf(wrong)).toBe('keys/wrong-passphrase')
    const empty = openPassphraseDeviceKey({ path, passphrase: async () => '', random })
    expect(await codeOf(empty)).toBe('keys/passphrase-size')
  })

  it('STO-1 tells a damaged file from a wrong passphrase, at every byte', async () => {
    const whole = readFileSync(path)
    const damaged = join(folder, 'phrase', 'damaged.key')
    for (let at = 0; at < whole.length; at++) {
      const bytes = Buffer.from(whole)
      bytes[at] = (bytes[at] as number) ^ 0x10
      writeFileSync(damaged, bytes)
      const opened = openPassphraseDeviceKey({ path: damaged, passphrase: phrase, random })
      expect(await codeOf(opened), `byte ${at}`).toBe('keys/device-key-file')
    }
  })

  it('KEY-2 takes another passphrase and still unwraps what it wrapped', async () => {
    const before = await openPassphraseDeviceKey({ path, passphrase: phrase, random })
    const wrapped = await before.wrap(utf8('kept'), 'kept')
    const next = async (): Promise<string> => 'a newer passphrase'
    expect(await codeOf(changePassphrase({ path, passphrase: next, next: phrase, random }))).toBe(
      'keys/wrong-passphrase',
    )
    await changePassphrase({ path, passphrase: phrase, next, random })
    expect(await codeOf(openPassphraseDeviceKey({ path, passphrase: phrase, random }))).toBe(
      'keys/wrong-passphrase',
    )
    const after = await openPassphraseDeviceKey({ path, passphrase: next, random })
    expect(await after.unwrap(wrapped, 'kept')).toEqual(utf8('kept'))
  })

  it('KEY-2 takes the same passphrase in another Unicode form', async () => {
    const init = { path: join(folder, 'phrase', 'unicode.key'), random }
    await openPassphraseDeviceKey({ ...init, passphrase: async () => 'caf\u00e9' })
    await openPassphraseDeviceKey({ ...init, passphrase: async () => 'cafe\u0301' })
  })
})

const noKeychain = secretServiceMissing()
if (noKeychain === undefined) {
  let stop: (() => void) | undefined
  afterAll(() => stop?.())
  deviceKeyAcceptance(test, 'keychain', async () => {
    stop = await startSecretService()
    return { open: (account) => openKeychainDeviceKey({ service: 'askee-test', account, random }) }
  })

  it('KEY-2 finds the key of the keychain that an earlier version filed under another name, and leaves it there', async () => {
    stop ??= await startSecretService()
    const open = (account: string, formerAccounts: readonly string[] = []) =>
      openKeychainDeviceKey({ service: 'askee-test', account, formerAccounts, random })
    const secret = Uint8Array.of(1, 2, 3)
    const wrapped = await (await open('./data')).wrap(secret, 'a')
    const former = ['./data.before', './data']
    expect(await (await open('/home/me/data', former)).unwrap(wrapped, 'a')).toEqual(secret)
    // From then on under the new name alone; the old one is another directory's as well.
    expect(await (await open('/home/me/data')).unwrap(wrapped, 'a')).toEqual(secret)
    expect(await (await open('./data')).unwrap(wrapped, 'a')).toEqual(secret)
    // One that is there goes before all others.
    await open('./data.before')
    expect(await (await open('/home/me/data', former)).unwrap(wrapped, 'a')).toEqual(secret)
  })
} else {
  process.stderr.write(`device key: keychain: skipped, ${noKeychain}\n`)
  it.skip(`KEY-2 keychain: skipped, ${noKeychain}`, () => undefined)
}

if ('module' in softHsm) {
  const { module } = softHsm
  const removeToken = initialiseToken()
  afterAll(removeToken)
  const pin = async (): Promise<string> => PIN
  const open = (keyLabel: string): ReturnType<typeof openPkcs11DeviceKey> =>
    openPkcs11DeviceKey({ module, tokenLabel: TOKEN_LABEL, pin, keyLabel, random })

  describe('device key in a token', () => {
    it('KEY-2 names a wrong PIN, a missing token and a missing library', async () => {
      const init = { module, tokenLabel: TOKEN_LABEL, pin, keyLabel: 'x', random }
      expect(await codeOf(openPkcs11DeviceKey({ ...init, pin: async () => '000000' }))).toBe('keys/wrong-pin')
      expect(await codeOf(openPkcs11DeviceKey({ ...init, tokenLabel: 'other' }))).toBe('keys/no-token')
      expect(await codeOf(openPkcs11DeviceKey({ ...init, module: '/no/such.so' }))).toBe('keys/no-pkcs11')
    })
  })
  deviceKeyAcceptance(test, 'pkcs11', async () => ({ open }))
} else {
  process.stderr.write(`device key: pkcs11: skipped, ${softHsm.missing}\n`)
  it.skip(`KEY-2 pkcs11: skipped, ${softHsm.missing}`, () => undefined)
}
