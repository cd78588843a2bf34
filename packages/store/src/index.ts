/**
 * Floor 2: what is kept on disk. `openDatabase` (SQLite with numbered migrations) and `createBlockStore`
 * (content-addressed files within a limit).
 */
export { type BlockStoreInit, createBlockStore } from './blocks.ts'
export { type Database, type Migration, openDatabase } from './database.ts'
export { lockDirectory } from './lock.ts'
