import { createHash } from 'node:crypto'
import {
  closeSync,
  copyFileSync,
  fstatSync,
  fsyncSync,
  openSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { AskeeError } from '@askee/core'
import SQLite from 'better-sqlite3-multiple-ciphers'
import { syncDirectory } from '../durable-file.ts'
import { type DatabaseKey, encryptAll, unlock } from './cipher.ts'
import { PAGE_BYTES } from './file-header.ts'
import { checkIntegrity } from './integrity.ts'

const ZEROS = new Uint8Array(1024 * 1024)

/**
 * Turns a plain database into an encrypted one: a copy is encrypted, compared with the original row by row, synchronised and
 * put in its place. A crash at any point leaves the plain one or the encrypted one, whole; the next opening goes on.
 * The plain bytes are overwritten afterwards; what the file system or the drive keeps of them is out of reach.
 * @throws AskeeError `store/damaged`
 */
export function encryptPlain(path: string, key: DatabaseKey): void {
  const copy = `${path}.encrypting`
  discardCopy(path)
  const before = inspect(path, (plain) => {
    // Leaves no write-ahead log that the encrypted file would inherit.
    plain.pragma('journal_mode = DELETE')
    checkIntegrity(plain, path)
    return contents(plain)
  })
  copyFileSync(path, copy)
  inspect(copy, (database) => {
    // A copy that a crash interrupts is thrown away: it needs no journal, which would hold pages in clear.
    database.pragma('journal_mode = MEMORY')
    if (database.pragma('page_size', { simple: true }) !== PAGE_BYTES) {
      database.pragma(`page_size = ${PAGE_BYTES}`)
      database.exec('VACUUM')
    }
    encryptAll(database, key)
  })
  const after = inspect(copy, (database) => {
    unlock(database, key)
    checkIntegrity(database, copy)
    return contents(database)
  })
  if (before !== after) {
    discardCopy(path)
    throw new AskeeError(
      'store/damaged',
      `the encrypted copy of ${path} is not equal to it: nothing was changed`,
      {
        path,
      },
    )
  }
  replace(path, copy)
}

/** What a crash left of an earlier attempt. */
export function discardCopy(path: string): void {
  for (const end of ['', '-journal', '-wal', '-shm']) rmSync(`${path}.encrypting${end}`, { force: true })
}

function inspect<T>(path: string, body: (database: SQLite) => T): T {
  const database = new SQLite(path)
  try {
    return body(database)
  } finally {
    database.close()
  }
}

/** Digest over the schema and every row of every table, in the order of their keys. */
function contents(database: SQLite): string {
  const hash = createHash('sha256')
  const schema = database
    .prepare('SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY name')
    .all() as {
    type: string
    name: string
    sql: string | null
  }[]
  hash.update(JSON.stringify([database.pragma('user_version'), schema]))
  for (const { type, name, sql } of schema) {
    if (type !== 'table' || sql === null || /^CREATE VIRTUAL/i.test(sql)) continue
    const columns = database.prepare('SELECT name FROM pragma_table_info(?)').pluck().all(name) as string[]
    const values = columns.map((column) => `quote("${column.replaceAll('"', '""')}")`).join(` || ',' || `)
    const rows = database.prepare(`SELECT ${values} FROM "${name.replaceAll('"', '""')}"`).pluck()
    for (const row of rows.iterate()) hash.update(`${row}\n`)
  }
  return hash.digest('hex')
}

function replace(path: string, copy: string): void {
  sync(copy)
  // Windows renames over no open file: there the plain bytes are only unlinked.
  const plain = process.platform === 'win32' ? undefined : openSync(path, 'r+')
  try {
    renameSync(copy, path)
    syncDirectory(dirname(path))
    if (plain !== undefined) overwrite(plain)
  } finally {
    if (plain !== undefined) closeSync(plain)
  }
}

function sync(path: string): void {
  const file = openSync(path, 'r+')
  try {
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
}

function overwrite(file: number): void {
  const { size } = fstatSync(file)
  for (let at = 0; at < size; at += ZEROS.byteLength) {
    writeSync(file, ZEROS, 0, Math.min(ZEROS.byteLength, size - at), at)
  }
  fsyncSync(file)
}
