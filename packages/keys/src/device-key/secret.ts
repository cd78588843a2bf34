import type { Random } from '@askee/core'
import type { DeviceKey } from './device-key.ts'
import { memoryCipher } from './memory-cipher.ts'
import { wrappingDeviceKey } from './wrapping.ts'

/**
 * Wraps under a secret of the key store, in the same format as a device key. For what must open again on another machine:
 * the secret goes into a backup, the device key stays where it is.
 * @param secret 32 bytes, wiped by the call
 * @throws AskeeError `keys/device-key-file` for another length
 */
export function wrapUnderSecret(secret: Uint8Array, random: Random): Pick<DeviceKey, 'wrap' | 'unwrap'> {
  return wrappingDeviceKey('software', memoryCipher(secret), random)
}
