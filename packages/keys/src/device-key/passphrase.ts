import { dirname } from 'node:path'
import { AskeeError, errorCode, type Random } from '@askee/core'
import { createFile, privateFolder, readIfThere, replaceFile } from '../files.ts'
import type { DeviceKey } from './device-key.ts'
import { DEVICE_KEY_BYTES, memoryCipher } from './memory-cipher.ts'
import { lockWithPassphrase, unlockWithPassphrase } from './passphrase-lock.ts'
import { wrappingDeviceKey } from './wrapping.ts'

const CONTEXT = 'askee/passphrase-device-key/1'

export interface PassphraseInit {
  /** Where salt, parameters and the wrapped key stand; made at the first call. Mode 0600. */
  readonly path: string
  /** Asked once. At most 1 KiB in UTF-8; compared in Unicode form NFKC, so that every keyboard gives the same. */
  readonly passphrase: () => Promise<string>
  readonly random: Random
}

/**
 * A device key behind a passphrase: 32 random bytes, wrapped by argon2id of the passphrase, so that a new passphrase needs
 * no new wrapping of anything else.
 * @throws AskeeError `keys/wrong-passphrase`, `keys/device-key-file` when the file is damaged, `keys/passphrase-size`
 */
export async function openPassphraseDeviceKey(init: PassphraseInit): Promise<DeviceKey> {
  const { path, random } = init
  const passphrase = await init.passphrase()
  let file = await readIfThere(path)
  if (file === undefined) {
    await privateFolder(dirname(path))
    const locked = await lockWithPassphrase(random.bytes(DEVICE_KEY_BYTES), passphrase, CONTEXT, random)
    file = await createFile(path, locked, random)
  }
  return wrappingDeviceKey('passphrase', memoryCipher(await unlock(path, file, passphrase, random)), random)
}

/**
 * Takes another passphrase; what the key wrapped stays as it is. Copies of the old file still open with the old one.
 * @throws AskeeError as `openPassphraseDeviceKey`
 */
export async function changePassphrase(
  init: PassphraseInit & { readonly next: () => Promise<string> },
): Promise<void> {
  const { path, random } = init
  const file = await readIfThere(path)
  if (file === undefined) throw new AskeeError('keys/device-key-file', `${path}: there is no such file`)
  const key = await unlock(path, file, await init.passphrase(), random)
  try {
    await replaceFile(path, await lockWithPassphrase(key, await init.next(), CONTEXT, random), random)
  } finally {
    key.fill(0)
  }
}

async function unlock(
  path: string,
  file: Uint8Array,
  passphrase: string,
  random: Random,
): Promise<Uint8Array> {
  try {
    return await unlockWithPassphrase(file, passphrase, CONTEXT, random)
  } catch (cause) {
    if (errorCode(cause) !== 'keys/locked-file') throw cause
    throw new AskeeError(
      'keys/device-key-file',
      `${path} is damaged. Restore it from a backup: without it nothing that it wrapped can be read.`,
      {},
      { cause },
    )
  }
}
