import type SQLite from 'better-sqlite3-multiple-ciphers'
import { deriveKey } from '../derive-key.ts'

/**
 * AEGIS-256: each page is encrypted under a nonce of its own and authenticated together with its number. The first 24 bytes
 * of the file are not (`file-header.ts` checks them). Chosen by measurement: see the README.
 */
const CIPHER = 'aegis'
const ALGORITHM = 'aegis-256'
const SALT_BYTES = 16

/** The key of one database, and what its file must begin with. */
export interface DatabaseKey {
  readonly key: Uint8Array
  /** The first 16 bytes of the file: they tell whether this key is the right one before a page is read. */
  readonly check: Uint8Array
}

/** The name is part of the key: the file of another database is opened by another key. */
export function databaseKey(storeKey: Uint8Array, name: string): DatabaseKey {
  return {
    key: deriveKey(storeKey, `database/${name}`),
    check: deriveKey(storeKey, `database-check/${name}`).subarray(0, SALT_BYTES),
  }
}

/** Makes a connection read and write with the key; before anything else is done with it. */
export function unlock(database: SQLite, key: DatabaseKey): void {
  configure(database)
  withMaterial(key, (material) => database.key(material))
}

/** Encrypts every page of an open plain database, in one transaction of the file's journal. */
export function encryptAll(database: SQLite, key: DatabaseKey): void {
  configure(database)
  withMaterial(key, (material) => database.rekey(material))
}

function configure(database: SQLite): void {
  database.pragma(`cipher = '${CIPHER}'`)
  database.pragma(`algorithm = '${ALGORITHM}'`)
}

/** Key and salt as they are: a uniformly random key needs no stretching. */
function withMaterial(key: DatabaseKey, use: (material: Buffer) => void): void {
  const material = Buffer.concat([Buffer.from('raw:'), key.key, key.check])
  use(material)
  material.fill(0)
}
