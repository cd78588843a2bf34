import { copyFileSync, cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { encode, systemRandom, utf8 } from '@askee/core'
import { describe, expect, it } from 'vitest'
import {
  advance,
  checkDatabase,
  checkNotOlder,
  type Database,
  fileSealing,
  fingerprint,
  type Generations,
  openDatabase,
  openGenerations,
} from '../src/index.ts'
import { codeOf, temporaryFolder } from './support/folder.ts'

const folder = temporaryFolder()
const KEY = new Uint8Array(32).fill(7)
const SCHEMA = [{ version: 1, sql: 'CREATE TABLE n (x INTEGER PRIMARY KEY, y INTEGER) STRICT' }]

let number = 0
/** A store in a folder of its own; every `open` remembers afresh, as another process would. */
function newStore(): {
  path: string
  seen: string
  generations: () => Generations
  open: (name?: string) => Database
} {
  const directory = join(folder, `${number++}`)
  mkdirSync(directory)
  const seen = join(directory, 'generations')
  const generations = () => openGenerations({ random: systemRandom }, { path: seen, key: KEY })
  const open = (name = 'a.db') =>
    openDatabase(join(directory, name), SCHEMA, { key: KEY, generations: generations() })
  return { path: join(directory, 'a.db'), seen, generations, open }
}

describe('generations of a database', () => {
  it('STO-2 closes on a full disk too; the next opening checks every page instead', () => {
    const { path, generations, open } = newStore()
    const kept = generations()
    const full: Generations = {
      ...kept,
      record(name, seen) {
        if (seen.file !== null) throw new Error('ENOSPC: no space left on device, write')
        kept.record(name, seen)
      },
    }
    const database = openDatabase(path, SCHEMA, { key: KEY, generations: full })
    database.exec('INSERT INTO n VALUES (1, 2)')
    expect(database.close().open).toBe(false)
    const again = open()
    expect(again.prepare('SELECT y FROM n').pluck().get()).toBe(2)
    again.close()
  })

  it('STO-1 raises the generation at opening, at closing and when told, and links each to the one before', () => {
    const { open } = newStore()
    const database = open()
    const first = fingerprint(database)
    expect(first).toMatchObject({ name: 'a.db', generation: 1 })
    const second = advance(database)
    expect(second).toMatchObject({ epoch: first.epoch, generation: 2 })
    expect(second.digest).not.toBe(first.digest)
    database.close()
    const again = open()
    expect(fingerprint(again).generation).toBe(4)
    for (const earlier of [first, second]) checkNotOlder(again, earlier)
    again.close()
  })

  it('STO-1 finds an older copy, put back when the store is closed', () => {
    const { path, open } = newStore()
    open().close()
    copyFileSync(path, `${path}.old`)
    open().close()
    copyFileSync(path, `${path}.new`)
    copyFileSync(`${path}.old`, path)
    for (let i = 0; i < 2; i++) expect(codeOf(open)).toBe('store/rolled-back')
    copyFileSync(`${path}.new`, path)
    open().close()
  })

  it('STO-1 finds a copy of the same session, taken before it was closed', () => {
    const { path, open } = newStore()
    const database = open()
    database.pragma('wal_checkpoint(TRUNCATE)')
    copyFileSync(path, `${path}.old`)
    database.close()
    copyFileSync(`${path}.old`, path)
    expect(codeOf(open)).toBe('store/rolled-back')
  })

  it('STO-1 finds a single page of an older copy among newer ones', () => {
    const { path, open } = newStore()
    // The same rows at the same places, with other numbers in them: nothing but the digest tells the pages apart.
    const fill = (from: number) => {
      const database = open()
      const write = database.prepare('REPLACE INTO n VALUES (?, ?)')
      database.transaction(() => {
        for (let i = 0; i < 1000; i++) write.run(i, from + i)
      })()
      database.close()
    }
    fill(100_000)
    const old = readFileSync(path)
    fill(200_000)
    const bytes = readFileSync(path)
    let replaced = 0
    for (let at = 4096; at < old.byteLength; at += 4096) {
      if (old.subarray(at, at + 4096).equals(bytes.subarray(at, at + 4096))) continue
      const mixed = Buffer.from(bytes)
      old.copy(mixed, at, at, at + 4096)
      writeFileSync(path, mixed)
      // The page that holds the generation says the latter.
      for (let i = 0; i < 2; i++) expect(['store/damaged', 'store/rolled-back']).toContain(codeOf(open))
      replaced++
    }
    expect(replaced).toBeGreaterThan(3)
    writeFileSync(path, bytes)
    open().close()
  })

  it('STO-1 finds a database that is gone, emptied, made anew, or plain in the place of an encrypted one', () => {
    const { path, open } = newStore()
    open().close()
    rmSync(path)
    expect(codeOf(open)).toBe('store/rolled-back')
    writeFileSync(path, '')
    expect(codeOf(open)).toBe('store/rolled-back')
    rmSync(path)
    openDatabase(path, SCHEMA, { key: KEY }).close()
    expect(codeOf(open)).toBe('store/rolled-back')
    rmSync(path)
    openDatabase(path, SCHEMA).close()
    expect(codeOf(open)).toBe('store/not-encrypted')
  })

  it('STO-1 finds that the file of generations is gone, older, damaged or of another store', () => {
    const { path, seen, generations, open } = newStore()
    const other = openGenerations(
      { random: systemRandom },
      { path: `${seen}.other`, key: new Uint8Array(32) },
    )
    other.record('a.db', { epoch: '', generation: 0, file: null })
    open('other.db').close()
    const before = readFileSync(seen)
    open().close()
    const bytes = readFileSync(seen)
    rmSync(seen)
    for (let i = 0; i < 2; i++) expect(codeOf(open)).toBe('store/rolled-back')
    writeFileSync(seen, before)
    for (let i = 0; i < 2; i++) expect(codeOf(open)).toBe('store/rolled-back')
    copyFileSync(`${seen}.other`, seen)
    expect(codeOf(open)).toBe('store/wrong-key')
    for (let at = 0; at < bytes.byteLength; at++) {
      const flipped = Buffer.from(bytes)
      flipped[at] = flipped[at]! ^ (1 << (at % 8))
      writeFileSync(seen, flipped)
      expect([at, codeOf(generations)]).toEqual([at, 'store/damaged'])
      writeFileSync(seen, bytes.subarray(0, at))
      expect([at, codeOf(generations)]).toEqual([at, 'store/damaged'])
    }
    writeFileSync(seen, bytes)
    open().close()
    expect(readFileSync(seen).includes('a.db')).toBe(false)
    expect(existsSync(path)).toBe(true)
  })

  it('STO-1 finds a journal that was put beside a database closed in order', () => {
    const { path, open } = newStore()
    const database = open()
    copyFileSync(`${path}-wal`, `${path}.log`)
    database.close()
    copyFileSync(`${path}.log`, `${path}-wal`)
    expect(codeOf(open)).toBe('store/damaged')
    rmSync(`${path}-wal`)
    open().close()
  })

  it('STO-1 tells a store that was rolled back whole by a fingerprint kept elsewhere, and a fork of it', () => {
    const { path, open } = newStore()
    const directory = join(path, '..')
    open().close()
    cpSync(directory, `${directory}.old`, { recursive: true })
    const database = open()
    for (let i = 0; i < 4; i++) advance(database)
    const kept = fingerprint(database)
    database.close()
    rmSync(directory, { recursive: true })
    cpSync(`${directory}.old`, directory, { recursive: true })
    const older = open()
    expect(codeOf(() => checkNotOlder(older, kept))).toBe('store/rolled-back')
    while (fingerprint(older).generation < kept.generation + 3) advance(older)
    expect(() => checkNotOlder(older, kept)).toThrow(/left the history/)
    expect(codeOf(() => checkNotOlder(older, { ...fingerprint(older), name: 'b.db' }))).toBe('store/swapped')
    expect(codeOf(() => checkNotOlder(older, { ...fingerprint(older), epoch: '00'.repeat(16) }))).toBe(
      'store/rolled-back',
    )
    older.close()
  })

  it('STO-1 takes what a backup brought back when the owner says so, once', () => {
    const { path, generations, open } = newStore()
    open().close()
    copyFileSync(path, `${path}.backup`)
    open().close()
    copyFileSync(`${path}.backup`, path)
    generations().accept('a.db')
    open().close()
    copyFileSync(`${path}.backup`, path)
    expect(codeOf(open)).toBe('store/rolled-back')
  })

  it('STO-1 forgets that it was told to take what proves to be no database of the store', () => {
    const { path, generations, open } = newStore()
    const whole = openDatabase(`${path}.whole`, SCHEMA, { key: KEY, name: 'a.db' })
    whole.close()
    const undo = generations().accept('a.db')
    expect(generations().names()).toEqual(['a.db'])
    copyFileSync(`${path}.whole`, path)
    undo()
    expect(generations().names()).toEqual([])
    expect(codeOf(open)).toBe('store/rolled-back')
    // Of one that was known, what was known.
    rmSync(path)
    open().close()
    const known = generations().get('a.db')
    generations().accept('a.db')()
    expect(generations().get('a.db')).toEqual(known)
  })

  it('STO-1 is there from the beginning, so that a store without it was emptied', () => {
    const { seen, generations } = newStore()
    generations().persist()
    expect(existsSync(seen)).toBe(true)
    expect(generations().names()).toEqual([])
  })

  it('STO-1 judges a database without its schema', () => {
    const { path, generations, open } = newStore()
    open().close()
    copyFileSync(path, `${path}.old`)
    open().close()
    checkDatabase(path, { key: KEY, generations: generations() })
    copyFileSync(`${path}.old`, path)
    expect(codeOf(() => checkDatabase(path, { key: KEY, generations: generations() }))).toBe(
      'store/rolled-back',
    )
  })

  it('STO-2 raises no generation that a rolled-back transaction would take away again', () => {
    const { open } = newStore()
    const database = open()
    expect(codeOf(database.transaction(() => advance(database)))).toBe('store/in-transaction')
    database.close()
    open().close()
  })

  it('STO-1 has generations for encrypted databases alone', () => {
    const plain = openDatabase(':memory:', SCHEMA)
    for (const ask of [fingerprint, advance]) expect(codeOf(() => ask(plain))).toBe('store/not-sealed')
    plain.close()
  })

  it('STO-2 closes with two connections open, and after a transaction that was left', () => {
    const { open } = newStore()
    const first = open()
    const second = open()
    first.close()
    second.prepare('INSERT INTO n VALUES (1, 1)').run()
    second.close()
    const third = open()
    third.exec('BEGIN; INSERT INTO n VALUES (2, 2)')
    third.close()
    const last = open()
    expect(last.prepare('SELECT x FROM n').all()).toEqual([{ x: 1 }])
    last.close()
  })
})

describe('the record of a folder', () => {
  const files = (contents: Record<string, string>) =>
    new Map(Object.entries(contents).map(([name, text]) => [name, utf8(text)]))

  it('STO-1 finds each file that is older, gone, or back, and takes what stands there at first', () => {
    const { generations } = newStore()
    const record = generations().folder('keys', 'e1')
    expect(record.check(files({ a: 'a1', b: 'b1' }))).toEqual([])
    record.changing('a', utf8('a2'))(utf8('a2'))
    record.changing('b', null)(null)
    const check = (contents: Record<string, string>) =>
      codeOf(() => generations().folder('keys', 'e1').check(files(contents)))
    expect(check({ a: 'a1' })).toBe('store/rolled-back')
    expect(check({})).toBe('store/rolled-back')
    expect(check({ a: 'a2', b: 'b1' })).toBe('store/rolled-back')
    expect(check({ a: 'a2' })).toBeUndefined()
    expect(
      generations()
        .folder('keys', 'e1')
        .differing(files({ a: 'a1', b: 'b1', c: '' })),
    ).toEqual(['a', 'b', 'c'])
    expect(['e1', 'e2'].map((epoch) => generations().folder('keys', epoch).known())).toEqual([
      'this',
      'another',
    ])
    generations().folder('keys', 'e1').forget()
    expect(generations().folder('keys', 'e1').known()).toBe('none')
    expect(check({ a: 'a1', b: 'b1' })).toBeUndefined()
    expect(check({ a: 'a1' })).toBe('store/rolled-back')
  })

  it('STO-2 takes either side of a change that was interrupted, and says which removals are to be ended', () => {
    for (const found of ['a1', 'a2', 'a3']) {
      const { generations } = newStore()
      const record = generations().folder('keys', 'e1')
      record.check(files({ a: 'a1', b: 'b1' }))
      record.changing('a', utf8('a2'))
      record.changing('b', null)
      record.changing('c', utf8('c1'))
      const again = generations().folder('keys', 'e1')
      const check = () => again.check(files({ a: found, b: '\0\0' }))
      if (found === 'a3') expect(codeOf(check)).toBe('store/rolled-back')
      else {
        expect(check()).toEqual(['b'])
        const other = found === 'a1' ? 'a2' : 'a1'
        expect(
          codeOf(() =>
            generations()
              .folder('keys', 'e1')
              .check(files({ a: other })),
          ),
        ).toBe('store/rolled-back')
      }
    }
  })

  it('STO-2 lets no change begin that cannot be written down', () => {
    const { seen, generations } = newStore()
    const record = generations().folder('keys', 'e1')
    record.check(files({ a: 'a1', gone: 'g1' }))
    mkdirSync(`${seen}.tmp`)
    writeFileSync(join(`${seen}.tmp`, 'in the way'), '')
    expect(() => record.changing('a', utf8('a2'))).toThrow()
    // But what is to go may go all the same: the next writing says so.
    expect(() => record.changing('gone', null)).toThrow()
    rmSync(`${seen}.tmp`, { recursive: true })
    record.changing('b', utf8('b1'))(utf8('b1'))
    expect(
      codeOf(() =>
        generations()
          .folder('keys', 'e1')
          .check(files({ a: 'a2', b: 'b1' })),
      ),
    ).toBe('store/rolled-back')
    expect(
      codeOf(() =>
        generations()
          .folder('keys', 'e1')
          .check(files({ a: 'a1', b: 'b1' })),
      ),
    ).toBeUndefined()
    // And it is no removal that is still to be ended, once something else stands there.
    record.changing('gone', utf8('g2'))(utf8('g2'))
    expect(
      generations()
        .folder('keys', 'e1')
        .check(files({ a: 'a1', b: 'b1', gone: 'g2' })),
    ).toEqual([])
  })

  it('STO-1 reads the file of generations of an earlier version, and finds an older one by the databases alone', () => {
    const { seen, generations, open } = newStore()
    open().close()
    const entry = generations().get('a.db')
    const sealing = fileSealing(systemRandom, KEY, 'generations')
    writeFileSync(
      seen,
      sealing.seal('', encode({ 'a.db': { epoch: entry?.epoch, generation: 0, file: null } })),
    )
    // It is older than the database knows it.
    expect(codeOf(open)).toBe('store/rolled-back')
    expect(generations().names()).toEqual(['a.db'])
    generations().accept('a.db')
    open().close()
    const before = readFileSync(seen)
    open().close()
    writeFileSync(seen, before)
    expect(codeOf(open)).toBe('store/rolled-back')
  })
})
