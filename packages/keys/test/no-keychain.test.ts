import { systemRandom as random } from '@askee/core'
import { describe, expect, it } from 'vitest'
import { openKeychainDeviceKey } from '../src/index.ts'

// In a file of its own: the library keeps the first connection to a bus for the whole process.
describe('device key in the keychain', () => {
  it.skipIf(process.platform !== 'linux')('KEY-2 says what to do where there is no keychain', async () => {
    process.env.DBUS_SESSION_BUS_ADDRESS = 'unix:path=/nonexistent/askee-test-bus'
    const opened = openKeychainDeviceKey({ service: 'askee-test', account: 'nobody', random })
    await expect(opened).rejects.toMatchObject({
      code: 'keys/no-keychain',
      message: expect.stringContaining('choose the passphrase, pkcs11 or software provider'),
    })
  })
})
