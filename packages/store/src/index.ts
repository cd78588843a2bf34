/**
 * Floor 2: what is kept on disk. `openDatabase` (SQLite, encrypted, with numbered migrations and generations),
 * `createBlockStore` (content-addressed files within a limit, sealed), `createVault` (fields that can be forgotten),
 * `appendOnly` tables, and the keys of all of it from one.
 */
export { appendOnly, type PurgeRecord, purge, purges } from './append-only.ts'
export { type BlockStoreInit, createBlockStore } from './blocks/block-store.ts'
export {
  advance,
  checkDatabase,
  checkNotOlder,
  type Database,
  fingerprint,
  type Migration,
  openDatabase,
} from './database.ts'
export { deriveKey, KEY_BYTES } from './derive-key.ts'
export { writeDurably } from './durable-file.ts'
export type { Sealing } from './encryption/sealed-database.ts'
export { type FileSealing, fileSealing } from './file-sealing.ts'
export type { Fingerprint } from './generations/fingerprint.ts'
export type { FolderRecord } from './generations/folder-record.ts'
export { type Generations, openGenerations, type SeenGeneration } from './generations/generations.ts'
export { lockDirectory } from './lock.ts'
export { openStoreKey, saveStoreKey } from './store-key.ts'
export type { DamagedKey } from './vault/damaged.ts'
export type { KeyWrapping } from './vault/epochs.ts'
export type { FieldPlace } from './vault/field.ts'
export { VAULT_MIGRATIONS } from './vault/schema.ts'
export { createVault, type Vault, type VaultComponents } from './vault/vault.ts'
