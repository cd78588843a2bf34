import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { bytesEqual, systemRandom, toHex } from '@askee/core'
import { describe, expect, it } from 'vitest'
import { type Database, deriveKey, openDatabase, openGenerations } from '../src/index.ts'
import { allBytes, codeOf, temporaryFolder } from './support/folder.ts'

const folder = temporaryFolder()
const KEY = new Uint8Array(32).fill(7)
const SCHEMA = [{ version: 1, sql: 'CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT) STRICT' }]
const SECRET = 'Wilhelmina Tell of Altdorf'

let number = 0
const place = (): string => {
  const path = join(folder, `${number++}`)
  mkdirSync(path)
  return path
}
const fill = (database: Database, rows = 200): void => {
  const insert = database.prepare('INSERT INTO people (name) VALUES (?)')
  database.transaction(() => {
    for (let i = 0; i < rows; i++) insert.run(`${SECRET} ${i}`)
  })()
}
const count = (database: Database): unknown => database.prepare('SELECT count(*) FROM people').pluck().get()

describe('keys of a store', () => {
  it('STO-1 derives one key for each label, none of which tells another', () => {
    const a = deriveKey(KEY, 'a')
    expect(a).toEqual(deriveKey(KEY, 'a'))
    expect(a).toHaveLength(32)
    expect(bytesEqual(a, deriveKey(KEY, 'b'))).toBe(false)
    expect(bytesEqual(a, deriveKey(new Uint8Array(32).fill(8), 'a'))).toBe(false)
    expect(codeOf(() => deriveKey(new Uint8Array(31), 'a'))).toBe('store/key')
  })

  it('STO-1 derives as RFC 5869 says', () => {
    // Made with an implementation of HKDF from HMAC alone (Python's hmac module).
    expect(toHex(deriveKey(KEY, 'vector'))).toBe(
      'dd45409ed9496f55c78b8d923566148bd27c506d2709e489d3baf325ee8dcad4',
    )
  })
})

describe('an encrypted database', () => {
  it('STO-1 leaves nothing in clear: file, write-ahead log, index, temporary files', () => {
    const path = place()
    const database = openDatabase(join(path, 'a.db'), SCHEMA, { key: KEY })
    fill(database)
    expect(readFileSync(join(path, 'a.db-wal')).byteLength).toBeGreaterThan(4096)
    const open = allBytes(path)
    database.prepare('PRAGMA wal_checkpoint').all()
    const settled = allBytes(path)
    database.close()
    for (const bytes of [open, settled, allBytes(path)]) {
      for (const word of ['Wilhelmina', 'people', 'CREATE TABLE', 'SQLite format'])
        expect(bytes.includes(word)).toBe(false)
    }
    expect(readdirSync(path)).toEqual(['a.db'])
    expect(database.open).toBe(false)
    // The control: without a key the same bytes are found.
    const plain = openDatabase(join(path, 'plain.db'), SCHEMA)
    fill(plain)
    expect(readFileSync(join(path, 'plain.db-wal')).includes(SECRET)).toBe(true)
    plain.close()
  })

  it('STO-1 leaves nothing in clear in a rollback journal either', () => {
    const path = place()
    const database = openDatabase(join(path, 'a.db'), SCHEMA, { key: KEY })
    fill(database)
    database.pragma('journal_mode = DELETE')
    database.exec("BEGIN; UPDATE people SET name = name || ' of Uri'")
    database.pragma('cache_spill = 1')
    const journal = readFileSync(join(path, 'a.db-journal'))
    expect(journal.byteLength).toBeGreaterThan(4096)
    expect(journal.includes('Wilhelmina')).toBe(false)
    database.exec('ROLLBACK')
    database.close()
  })

  it('STO-1 opens again with its key, and sorts in memory', () => {
    const path = join(place(), 'a.db')
    const database = openDatabase(path, SCHEMA, { key: KEY })
    fill(database)
    database.close()
    const again = openDatabase(path, SCHEMA, { key: KEY })
    expect(count(again)).toBe(200)
    expect(again.pragma('temp_store', { simple: true })).toBe(2)
    again.close()
  })

  it('STO-1 names a wrong key and the file of another database', () => {
    const path = place()
    for (const name of ['a.db', 'b.db']) openDatabase(join(path, name), SCHEMA, { key: KEY }).close()
    const other = { key: new Uint8Array(32).fill(8) }
    expect(codeOf(() => openDatabase(join(path, 'a.db'), SCHEMA, other))).toBe('store/wrong-key')
    expect(codeOf(() => openDatabase(join(path, 'a.db'), SCHEMA, { key: KEY, name: 'c.db' }))).toBe(
      'store/wrong-key',
    )
    expect(codeOf(() => openDatabase(join(path, 'a.db'), SCHEMA))).toBe('store/damaged')
    renameSync(join(path, 'a.db'), join(path, 'x'))
    renameSync(join(path, 'b.db'), join(path, 'a.db'))
    renameSync(join(path, 'x'), join(path, 'b.db'))
    expect(() => openDatabase(join(path, 'a.db'), SCHEMA, { key: KEY })).toThrow(/holds the database b\.db/)
    expect(codeOf(() => openDatabase(join(path, 'b.db'), SCHEMA, { key: KEY }))).toBe('store/swapped')
  })

  it('STO-1 names a file that was cut off', () => {
    const path = join(place(), 'a.db')
    const database = openDatabase(path, SCHEMA, { key: KEY })
    fill(database)
    database.close()
    const whole = readFileSync(path)
    for (const length of [1, 15, 100, 4095, 4096, 8192, whole.byteLength - 4096, whole.byteLength - 1]) {
      writeFileSync(path, whole.subarray(0, length))
      expect([length, codeOf(() => openDatabase(path, SCHEMA, { key: KEY }))]).toEqual([
        length,
        'store/damaged',
      ])
    }
    expect(() => openDatabase(path, SCHEMA, { key: KEY })).toThrow(path)
  })

  it('STO-1 names a flipped byte wherever it is, without generations too', () => {
    const path = join(place(), 'a.db')
    const database = openDatabase(path, SCHEMA, { key: KEY })
    fill(database, 20)
    database.close()
    const whole = readFileSync(path)
    // The first 24 bytes are those that the cipher does not authenticate.
    const places = [...Array(24).keys(), 24, 99, 100, 4000, 4095]
    for (let at = 4096; at < whole.byteLength; at += 997) places.push(at)
    for (const at of places) {
      const flipped = Buffer.from(whole)
      flipped[at] = flipped[at]! ^ 1
      writeFileSync(path, flipped)
      expect([at, codeOf(() => openDatabase(path, SCHEMA, { key: KEY }))]).toEqual([at, 'store/damaged'])
    }
  })

  it('STO-2 refuses a newer schema as before, and stays usable', () => {
    const path = join(place(), 'a.db')
    const newer = [...SCHEMA, { version: 2, sql: 'CREATE TABLE more (x INTEGER) STRICT' }]
    openDatabase(path, newer, { key: KEY }).close()
    expect(codeOf(() => openDatabase(path, SCHEMA, { key: KEY }))).toBe('store/newer-schema')
    openDatabase(path, newer, { key: KEY }).close()
  })

  it('STO-1 keeps nothing of a database in memory', () => {
    const database = openDatabase(':memory:', SCHEMA, { key: KEY })
    fill(database)
    expect(count(database)).toBe(200)
    database.close()
    expect(existsSync(':memory:')).toBe(false)
  })
})

describe('a plain database from before', () => {
  const plain = (path: string): void => {
    const database = openDatabase(path, [
      ...SCHEMA,
      {
        version: 2,
        sql: 'CREATE TABLE "o\'dd ""name" (a BLOB, b REAL, c ANY, PRIMARY KEY (a, b)) STRICT, WITHOUT ROWID',
      },
    ])
    fill(database)
    database.prepare('INSERT INTO "o\'dd ""name" VALUES (?, ?, ?)').run(Buffer.from([0, 255]), 0.1, 2n ** 62n)
    database.close()
  }
  const TWO = [...SCHEMA, { version: 2, sql: '' }]

  it('STO-1 is refused, and stays as it is, unless the owner says that it is the own one', () => {
    const path = join(place(), 'a.db')
    plain(path)
    const before = readFileSync(path)
    const generations = openGenerations({ random: systemRandom }, { path: `${path}.seen`, key: KEY })
    for (const sealing of [{ key: KEY }, { key: KEY, generations }]) {
      expect(codeOf(() => openDatabase(path, TWO, sealing))).toBe('store/not-encrypted')
    }
    expect(readFileSync(path).equals(before)).toBe(true)
    expect(generations.names()).toEqual([])
  })

  it('STO-1 is encrypted once, with all that is in it, when the owner says so', () => {
    const path = join(place(), 'a.db')
    plain(path)
    const database = openDatabase(path, TWO, { key: KEY, plain: 'encrypt' })
    expect(count(database)).toBe(200)
    expect(database.prepare('SELECT hex(a), b, CAST(c AS TEXT) AS c FROM "o\'dd ""name"').get()).toEqual({
      'hex(a)': '00FF',
      b: 0.1,
      c: `${2n ** 62n}`,
    })
    database.close()
    expect(readFileSync(path).includes('Wilhelmina')).toBe(false)
    openDatabase(path, TWO, { key: KEY }).close()
  })

  it('STO-1 is encrypted with what its write-ahead log still holds', () => {
    const path = place()
    const source = openDatabase(join(path, 'source.db'), SCHEMA)
    fill(source)
    // A copy while it is open: the rows are in the log alone, as after a crash.
    for (const end of ['', '-wal']) copyFileSync(join(path, `source.db${end}`), join(path, `a.db${end}`))
    source.close()
    const database = openDatabase(join(path, 'a.db'), SCHEMA, { key: KEY, plain: 'encrypt' })
    expect(count(database)).toBe(200)
    database.close()
  })

  it('STO-2 goes on after a crash in the middle of it', () => {
    const path = place()
    const file = join(path, 'a.db')
    plain(file)
    // What a crash leaves: half a copy, in clear or not.
    writeFileSync(`${file}.encrypting`, readFileSync(file).subarray(0, 5000))
    writeFileSync(`${file}.encrypting-journal`, 'half')
    const database = openDatabase(file, TWO, { key: KEY, plain: 'encrypt' })
    expect(count(database)).toBe(200)
    database.close()
    expect(readdirSync(path)).toEqual(['a.db'])
  })

  it('STO-1 is not encrypted when it is damaged, and stays as it is', () => {
    const path = join(place(), 'a.db')
    plain(path)
    const bytes = readFileSync(path)
    bytes.fill(0xff, 4096, 8192)
    writeFileSync(path, bytes)
    expect(codeOf(() => openDatabase(path, TWO, { key: KEY, plain: 'encrypt' }))).toBe('store/damaged')
    // All but the marks of the journal in its header.
    expect(readFileSync(path).subarray(100).equals(bytes.subarray(100))).toBe(true)
  })
})
