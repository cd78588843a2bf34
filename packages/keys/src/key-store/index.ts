/** Named secrets on disk, wrapped by the device key. */
export { type KeyStore, type KeyStoreInit, openKeyStore, rewrapKeyStore } from './key-store.ts'
