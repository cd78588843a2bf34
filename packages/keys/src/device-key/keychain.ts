import { AskeeError, errorText, fromHex, type Random, toHex } from '@askee/core'
import type { DeviceKey } from './device-key.ts'
import { DEVICE_KEY_BYTES, memoryCipher } from './memory-cipher.ts'
import { wrappingDeviceKey } from './wrapping.ts'

export interface KeychainInit {
  /** Name of the entry's service; one for each installation. */
  readonly service: string
  /** Name of the entry within the service: one that does not change with how somebody types it. */
  readonly account: string
  /**
   * Names that the entry may have had before. Where there is none of the present name, the key of the first of these is taken
   * over; the old entry stays, for something else may go by that name.
   */
  readonly formerAccounts?: readonly string[]
  readonly random: Random
}

/**
 * A device key in the operating system's keychain (macOS Keychain, Windows Credential Manager, the Secret Service on
 * Linux), made at the first call. On Linux the kernel's keyring is never used instead: it forgets at a restart.
 * @throws AskeeError `keys/no-keychain` where there is none, or it is locked
 */
export async function openKeychainDeviceKey(init: KeychainInit): Promise<DeviceKey> {
  const text = await heldOrNew(init)
  if (!/^[0-9a-f]{64}$/.test(text)) {
    throw new AskeeError(
      'keys/device-key-file',
      `the keychain's entry ${init.service}/${init.account} is not a device key. Restore it, or take another account name.`,
    )
  }
  return wrappingDeviceKey('keychain', memoryCipher(fromHex(text)), init.random)
}

async function heldOrNew(init: KeychainInit): Promise<string> {
  try {
    const { AsyncEntry } = await import('@napi-rs/keyring')
    const entryOf = (account: string) =>
      new AsyncEntry(init.service, account, { linux: { store: 'secret-service' } })
    const entry = entryOf(init.account)
    const held = await entry.getPassword()
    if (held !== null) return held
    let key: string | null = null
    for (const account of init.formerAccounts ?? []) key ??= (await entryOf(account).getPassword()) ?? null
    // Text, because every system's own tool for the keychain can show and restore text.
    await entry.setPassword(key ?? toHex(init.random.bytes(DEVICE_KEY_BYTES)))
    const kept = await entry.getPassword()
    if (kept === null) throw new TypeError('the entry was not kept')
    return kept
  } catch (cause) {
    throw new AskeeError(
      'keys/no-keychain',
      `no keychain can be used here (${errorText(cause)}). Unlock it and try again, or choose the passphrase, pkcs11 or software provider.`,
      {},
      { cause },
    )
  }
}
