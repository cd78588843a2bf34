import { closeSync, existsSync, fstatSync, openSync, readdirSync, readSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { AskeeError, bytesEqual, concat } from '@askee/core'
import { type DatabaseKey, databaseKey } from './cipher.ts'

export const PAGE_BYTES = 4096
const HEADER_BYTES = 24
const PLAIN = Buffer.from('SQLite format 3\0')
/**
 * Bytes 16 to 23, which SQLite needs in clear: page size 4096, format of writing and reading, 64 bytes of each page for
 * nonce and tag, payload fractions. The cipher does not authenticate them; they are constants, so they are compared.
 */
const SETTINGS = Buffer.from('1000ffff40402020', 'hex')
/** 1: journal, while the file is made; 2: write-ahead log. */
const FORMATS = [1, 2]
/** So many of 16 check bytes agree by chance once in 10^13 times: fewer are another key, more are damage. */
const ALIKE = 8

/** What stands at a path, judged by its first bytes. */
export type FileKind = 'missing' | 'empty' | 'plain' | 'other'

export function kindOf(path: string): FileKind {
  if (!existsSync(path)) return 'missing'
  const { header, size } = readHeader(path)
  if (size === 0) return 'empty'
  return bytesEqual(header.subarray(0, PLAIN.byteLength), PLAIN) ? 'plain' : 'other'
}

/**
 * Refuses a file that the key does not open, before SQLite sees it.
 * @throws AskeeError `store/wrong-key`, `store/swapped` when it is another database of the same store, `store/damaged`
 */
export function checkHeader(path: string, key: DatabaseKey, storeKey: Uint8Array): void {
  const { header, size } = readHeader(path)
  if (size < PAGE_BYTES) {
    throw new AskeeError(
      'store/damaged',
      `${path} is cut off: ${size} bytes are less than one page. Restore it from a backup.`,
      { path },
    )
  }
  const alike = key.check.filter((byte, i) => byte === header[i]).length
  if (alike < ALIKE) refuseStranger(path, header, storeKey)
  const settings = Uint8Array.from(SETTINGS)
  for (const at of [2, 3])
    if (FORMATS.includes(header[16 + at] ?? 0)) settings[at] = header[16 + at] as number
  if (!bytesEqual(header, concat(key.check, settings))) {
    throw new AskeeError(
      'store/damaged',
      `${path} is damaged in its first ${HEADER_BYTES} bytes. Restore it from a backup.`,
      { path },
    )
  }
}

function refuseStranger(path: string, header: Uint8Array, storeKey: Uint8Array): never {
  for (const name of readdirSync(dirname(path))) {
    if (name === basename(path) || !existsSync(join(dirname(path), name))) continue
    if (!bytesEqual(databaseKey(storeKey, name).check, header.subarray(0, 16))) continue
    throw new AskeeError(
      'store/swapped',
      `${path} holds the database ${name}. Put the files back in place.`,
      {
        path,
        name,
      },
    )
  }
  throw new AskeeError(
    'store/wrong-key',
    `${path} was encrypted with another key, or its beginning is destroyed. Use the key it was made with, or a backup.`,
    { path },
  )
}

function readHeader(path: string): { header: Uint8Array; size: number } {
  const file = openSync(path, 'r')
  try {
    const header = new Uint8Array(HEADER_BYTES)
    const length = readSync(file, header, 0, HEADER_BYTES, 0)
    return { header: header.subarray(0, length), size: fstatSync(file).size }
  } finally {
    closeSync(file)
  }
}
