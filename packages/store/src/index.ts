/**
 * Floor 2: what is kept on disk. `openDatabase` (SQLite with numbered migrations) and `createBlockStore`
 * (content-addressed files within a limit).
 */
export { type BlockStoreInit, createBlockStore } from './blocks/block-store.ts'
export {
  advance,
  checkNotOlder,
  type Database,
  fingerprint,
  type Migration,
  openDatabase,
} from './database.ts'
export { deriveKey, KEY_BYTES } from './derive-key.ts'
export type { Sealing } from './encryption/sealed-database.ts'
export type { Fingerprint } from './generations/fingerprint.ts'
export { type Generations, openGenerations, type SeenGeneration } from './generations/generations.ts'
export { lockDirectory } from './lock.ts'
