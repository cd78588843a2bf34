/** Named secrets on disk, wrapped by the device key; and their backup behind a passphrase. */
export { backUpKeys, restoreKeys } from './backup.ts'
export {
  type FileRecord,
  type KeyStore,
  type KeyStoreInit,
  openKeyStore,
  rewrapKeyStore,
} from './key-store.ts'
