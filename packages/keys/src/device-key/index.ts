/** The machine's key-encryption key, and where it may live. */
export { type DeviceKey, type DeviceKeyErrorCode, MAX_SECRET_BYTES } from './device-key.ts'
export { type KeychainInit, openKeychainDeviceKey } from './keychain.ts'
export { changePassphrase, openPassphraseDeviceKey, type PassphraseInit } from './passphrase.ts'
export { openPkcs11DeviceKey, type Pkcs11DeviceKeyInit } from './pkcs11/pkcs11.ts'
export { wrapUnderSecret } from './secret.ts'
export { openSoftwareDeviceKey } from './software.ts'
