import { dirname } from 'node:path'
import { AskeeError, type Random } from '@askee/core'
import { createFile, privateFolder, readIfThere } from '../files.ts'
import type { DeviceKey } from './device-key.ts'
import { DEVICE_KEY_BYTES, memoryCipher } from './memory-cipher.ts'
import { wrappingDeviceKey } from './wrapping.ts'

/**
 * A device key in a file of mode 0600 (32 random bytes), made at the first call. It stops whoever gets a copy of the other
 * files without this one; it does not stop whoever reads this machine's disk. Keep it apart from backups.
 * @throws AskeeError `keys/device-key-file` when the file is not such a key
 */
export async function openSoftwareDeviceKey(init: {
  readonly path: string
  readonly random: Random
}): Promise<DeviceKey> {
  const { path, random } = init
  let key = await readIfThere(path)
  if (key === undefined) {
    await privateFolder(dirname(path))
    key = await createFile(path, random.bytes(DEVICE_KEY_BYTES), random)
  }
  if (key.byteLength !== DEVICE_KEY_BYTES) {
    throw new AskeeError(
      'keys/device-key-file',
      `${path}: expected ${DEVICE_KEY_BYTES} bytes, found ${key.byteLength}. Restore it from a backup: without it nothing that it wrapped can be read.`,
    )
  }
  return wrappingDeviceKey('software', memoryCipher(key), random)
}
