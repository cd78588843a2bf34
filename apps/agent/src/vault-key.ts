import { errorCode, type Random } from '@askee/core'
import { type DeviceKey, wrapUnderSecret } from '@askee/keys'
import type { KeyWrapping } from '@askee/store'

export interface VaultKey {
  readonly wrapping: KeyWrapping
  /** Whether something opened only with the device key: then the vault is to be rotated, or a backup would not open it. */
  isOutdated(): boolean
}

/**
 * What wraps the keys of the vault: a secret that a backup holds. Vaults of before, wrapped by the device key itself, open
 * with that.
 * @param secret wiped by the call
 */
export function openVaultKey(deviceKey: DeviceKey, secret: Uint8Array, random: Random): VaultKey {
  const own = wrapUnderSecret(secret, random)
  let outdated = false
  return {
    isOutdated: () => outdated,
    wrapping: {
      wrap: own.wrap,
      async unwrap(wrapped, context) {
        try {
          return await own.unwrap(wrapped, context)
        } catch (error) {
          if (errorCode(error) !== 'keys/wrong-key') throw error
          const key = await deviceKey.unwrap(wrapped, context)
          outdated = true
          return key
        }
      },
    },
  }
}
