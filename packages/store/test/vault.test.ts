import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { errorCode, systemRandom, systemTimers, toHex, utf8 } from '@askee/core'
import { VirtualTime } from '@askee/core/testing'
import { openSoftwareDeviceKey } from '@askee/keys'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  createVault,
  type Database,
  type FieldPlace,
  openDatabase,
  openStoreKey,
  saveStoreKey,
  VAULT_MIGRATIONS,
  type Vault,
} from '../src/index.ts'
import { allBytes, codeOf, temporaryFolder } from './support/folder.ts'

const folder = temporaryFolder()
const clock = new VirtualTime()
const KEY = new Uint8Array(32).fill(7)
const device = (name = 'device') =>
  openSoftwareDeviceKey({ path: join(folder, `${name}-key`), random: systemRandom })

const create = async (database: Database): Promise<Vault> =>
  createVault({ database, deviceKey: await device(), clock, random: systemRandom, timers: systemTimers })
const inMemory = () => openDatabase(':memory:', VAULT_MIGRATIONS)
const PLACE: FieldPlace = { record: 'people/1', path: 'name', version: 3 }
const wrappedOf = (database: Database, subject: string): Buffer =>
  database.prepare('SELECT wrapped FROM vault_keys WHERE subject = ?').pluck().get(subject) as Buffer

let number = 0
const place = (): string => {
  const path = join(folder, `${number++}`)
  mkdirSync(path)
  return path
}

describe('fields of a vault', () => {
  it('STO-1 opens a field in its place alone', async () => {
    const vault = await create(inMemory())
    const sealed = vault.seal('anna', PLACE, utf8('Anna'))
    expect(vault.open('anna', PLACE, sealed)).toEqual(utf8('Anna'))
    vault.seal('berta', PLACE, utf8('Berta'))
    const elsewhere: [string, FieldPlace][] = [
      ['anna', { ...PLACE, record: 'people/2' }],
      ['anna', { ...PLACE, path: 'address' }],
      ['anna', { ...PLACE, version: 2 }],
      ['berta', PLACE],
      ['nobody', PLACE],
    ]
    for (const [subject, where] of elsewhere) {
      expect(codeOf(() => vault.open(subject, where, sealed))).toBe('store/field-refused')
    }
  })

  it('STO-1 does not let record and path run into each other', async () => {
    const vault = await create(inMemory())
    const text = fc.string({ maxLength: 8 })
    const anywhere = fc.record({ record: text, path: text, version: fc.nat(3) })
    fc.assert(
      fc.property(anywhere, anywhere, fc.uint8Array({ maxLength: 100 }), (a, b, bytes) => {
        const sealed = vault.seal('anna', a, bytes)
        expect(vault.open('anna', a, sealed)).toEqual(bytes)
        const same = a.record === b.record && a.path === b.path && a.version === b.version
        expect(codeOf(() => vault.open('anna', b, sealed))).toBe(same ? undefined : 'store/field-refused')
      }),
      { numRuns: 200 },
    )
  })

  it('STO-1 refuses a field with any byte changed, and what is no field', async () => {
    const vault = await create(inMemory())
    const sealed = vault.seal('anna', PLACE, utf8('Anna'))
    const allowed = ['store/field-format', 'store/field-refused', 'store/unknown-key']
    for (let at = 0; at < sealed.byteLength; at++) {
      const flipped = Uint8Array.from(sealed)
      flipped[at] = flipped[at]! ^ (1 << (at % 8))
      expect(allowed).toContain(codeOf(() => vault.open('anna', PLACE, flipped)))
      expect(allowed).toContain(codeOf(() => vault.open('anna', PLACE, sealed.subarray(0, at))))
    }
    expect(codeOf(() => vault.seal('', PLACE, sealed))).toBe('store/subject')
    expect(codeOf(() => vault.seal('anna', PLACE, new Uint8Array(1024 * 1024 + 1)))).toBe('store/field-size')
    for (const bad of [
      { version: -1 },
      { version: 0.5 },
      { path: 'x'.repeat(256) },
      { record: 'x'.repeat(256) },
    ]) {
      expect(codeOf(() => vault.seal('anna', { ...PLACE, ...bad }, sealed))).toBe('store/field-place')
    }
  })

  it('STO-1 opens after a restart, and with no other device key', async () => {
    const database = inMemory()
    const first = await create(database)
    const sealed = first.seal('anna', PLACE, utf8('Anna'))
    first.close()
    expect((await create(database)).open('anna', PLACE, sealed)).toEqual(utf8('Anna'))
    const other = {
      database,
      clock,
      random: systemRandom,
      timers: systemTimers,
      deviceKey: await device('other'),
    }
    await expect(createVault(other)).rejects.toMatchObject({ code: 'keys/wrong-key' })
  })

  it('STO-1 refuses a data key whose row was given to another subject', async () => {
    const database = inMemory()
    const vault = await create(database)
    vault.seal('anna', PLACE, utf8('Anna'))
    database.exec("UPDATE vault_keys SET subject = 'mallory'")
    const again = await create(database)
    expect(codeOf(() => again.seal('mallory', PLACE, utf8('x')))).toBe('store/vault-damaged')
  })

  it('STO-1 puts a damaged key away, goes on with a new one, and loses neither silently', async () => {
    const database = inMemory()
    const vault = await create(database)
    const sealed = vault.seal('anna', PLACE, utf8('Anna'))
    const others = vault.seal('berta', PLACE, utf8('Berta'))
    database.exec("UPDATE vault_keys SET wrapped = zeroblob(60) WHERE subject = 'anna'")
    expect(vault.open('anna', PLACE, sealed)).toEqual(utf8('Anna')) // the key is still in memory
    vault.reread()
    expect(codeOf(() => vault.open('anna', PLACE, sealed))).toBe('store/vault-damaged')
    expect(codeOf(() => vault.has('anna'))).toBe('store/vault-damaged')
    expect([vault.setAside('anna'), vault.setAside('anna'), vault.setAside('berta')]).toEqual([
      true,
      false,
      false,
    ])
    expect(codeOf(() => vault.open('anna', PLACE, sealed))).toBe('store/vault-damaged')
    const again = vault.seal('anna', PLACE, utf8('again'))
    expect(vault.open('anna', PLACE, again)).toEqual(utf8('again'))
    expect(vault.open('berta', PLACE, others)).toEqual(utf8('Berta'))

    const [damaged, ...more] = (await create(database)).damaged(10)
    expect([damaged?.subject, more]).toEqual(['anna', []])
    vault.told(damaged?.kid as Uint8Array)
    expect(vault.damaged(10)).toEqual([])
    // What is damaged may be whole in part: erasing destroys it too.
    expect(vault.erase('anna')).toBe(true)
    for (const field of [sealed, again])
      expect(codeOf(() => vault.open('anna', PLACE, field))).toBe('store/erased')
    expect(database.prepare('SELECT count(*) FROM vault_damaged').pluck().get()).toBe(0)
  })

  it.each([
    ['an empty row', "UPDATE vault_keys SET wrapped = x'' WHERE subject = 'anna'"],
    ['a short row', "UPDATE vault_keys SET wrapped = x'0102030405' WHERE subject = 'anna'"],
    [
      'a row without its epoch',
      "PRAGMA foreign_keys = OFF; UPDATE vault_keys SET epoch = 'x' WHERE subject = 'anna'",
    ],
    ['a row with another name', "UPDATE vault_keys SET kid = x'00' WHERE subject = 'anna'"],
  ])('STO-1 puts %s away in a rotation, and wraps all others', async (_, sql) => {
    const database = inMemory()
    const vault = await create(database)
    const sealed = vault.seal('anna', PLACE, utf8('Anna'))
    const others = Array.from({ length: 300 }, (_, i) => vault.seal(`s${i}`, PLACE, utf8(`field ${i}`)))
    database.exec(sql)
    expect(await vault.rotate()).toEqual({ rewrapped: 301 })
    expect(vault.damaged(10)).toMatchObject([{ subject: 'anna' }])
    expect(database.prepare('SELECT count(*) FROM vault_epochs').pluck().get()).toBe(1)
    const later = await create(database)
    others.forEach((field, i) => {
      expect(later.open(`s${i}`, PLACE, field)).toEqual(utf8(`field ${i}`))
    })
    expect(codeOf(() => later.open('anna', PLACE, sealed))).toMatch(/^store\/(vault-damaged|unknown-key)$/)
  })

  it('STO-2 makes no key that a rolled-back transaction takes away again', async () => {
    const database = inMemory()
    const vault = await create(database)
    const undone = database.transaction(() => {
      vault.seal('anna', PLACE, utf8('one'))
      vault.seal('anna', PLACE, utf8('two'))
      throw new Error('undone')
    })
    expect(undone).toThrow('undone')
    expect(vault.has('anna')).toBe(false)
    const sealed = vault.seal('anna', PLACE, utf8('three'))
    expect((await create(database)).open('anna', PLACE, sealed)).toEqual(utf8('three'))
  })
})

describe('erasing a subject', () => {
  it.each(['plain', 'encrypted'])(
    'AUD-2 leaves no byte of the wrapped key in the files of a %s database',
    async (kind) => {
      const directory = place()
      const path = join(directory, 'vault.db')
      const database = openDatabase(path, VAULT_MIGRATIONS, kind === 'plain' ? undefined : { key: KEY })
      const vault = await create(database)
      for (let i = 0; i < 100; i++) vault.seal(`subject ${i}`, PLACE, utf8('x'))
      const sealed = vault.seal('anna', PLACE, utf8('Anna'))
      const wrapped = Buffer.from(wrappedOf(database, 'anna'))
      // The key is in the log, then in the file, then in both: several old pages.
      database.pragma('wal_checkpoint(PASSIVE)')
      for (let i = 100; i < 200; i++) vault.seal(`subject ${i}`, PLACE, utf8('x'))
      expect(allBytes(directory).includes(wrapped)).toBe(kind === 'plain')
      expect(vault.erase('anna')).toBe(true)
      for (const bytes of [allBytes(directory), Buffer.from(readFileSync(path))]) {
        expect(bytes.includes(wrapped)).toBe(false)
        expect(bytes.includes(wrapped.subarray(0, 12))).toBe(false)
      }
      expect(codeOf(() => vault.open('anna', PLACE, sealed))).toBe('store/erased')
      const again = vault.seal('anna', PLACE, utf8('back again'))
      expect(vault.open('anna', PLACE, again)).toEqual(utf8('back again'))
      expect(codeOf(() => vault.open('anna', PLACE, sealed))).toBe('store/erased')
      expect(vault.erase('nobody')).toBe(false)
      vault.close()
      database.close()
      const reopened = openDatabase(path, VAULT_MIGRATIONS, kind === 'plain' ? undefined : { key: KEY })
      const later = await create(reopened)
      expect(codeOf(() => later.open('anna', PLACE, sealed))).toBe('store/erased')
      expect(later.has('subject 7')).toBe(true)
      reopened.close()
    },
  )

  it('AUD-2 is refused within a transaction, and names a reader that holds the old page', async () => {
    const path = join(place(), 'vault.db')
    const database = openDatabase(path, VAULT_MIGRATIONS)
    database.pragma('busy_timeout = 20')
    const vault = await create(database)
    vault.seal('anna', PLACE, utf8('Anna'))
    expect(codeOf(database.transaction(() => vault.erase('anna')))).toBe('store/in-transaction')
    const reader = openDatabase(path, VAULT_MIGRATIONS)
    reader.exec('BEGIN; SELECT count(*) FROM vault_keys')
    reader.prepare('SELECT * FROM vault_keys').all()
    expect(codeOf(() => vault.erase('anna'))).toBe('store/not-settled')
    expect(vault.has('anna')).toBe(false)
    reader.close()
    expect(vault.erase('anna')).toBe(false)
    database.close()
  })
})

describe('rotating the epoch', () => {
  it('KEY-1 wraps every data key again, destroys the old epoch key, and touches no field', async () => {
    const database = inMemory()
    const vault = await create(database)
    const fields = Array.from({ length: 600 }, (_, i) => vault.seal(`s${i}`, PLACE, utf8(`field ${i}`)))
    const before = toHex(wrappedOf(database, 's7'))
    const epoch = database.prepare('SELECT id FROM vault_epochs').pluck().all()
    const rotation = vault.rotate()
    const during = vault.seal('new', PLACE, utf8('meanwhile'))
    expect(vault.open('s599', PLACE, fields[599]!)).toEqual(utf8('field 599'))
    expect((await rotation).rewrapped).toBeGreaterThanOrEqual(600)
    expect(toHex(wrappedOf(database, 's7'))).not.toBe(before)
    const epochs = database.prepare('SELECT id FROM vault_epochs').pluck().all()
    expect(epochs).toHaveLength(1)
    expect(epochs).not.toEqual(epoch)
    for (const one of [vault, await create(database)]) {
      fields.forEach((field, i) => {
        expect(one.open(`s${i}`, PLACE, field)).toEqual(utf8(`field ${i}`))
      })
      expect(one.open('new', PLACE, during)).toEqual(utf8('meanwhile'))
    }
  })

  it('KEY-1 leaves no byte of the old epoch key, nor of what it wrapped, in the files', async () => {
    const directory = place()
    const database = openDatabase(join(directory, 'vault.db'), VAULT_MIGRATIONS)
    const vault = await create(database)
    for (let i = 0; i < 300; i++) vault.seal(`s${i}`, PLACE, utf8('x'))
    const old = [
      Buffer.from(database.prepare('SELECT wrapped FROM vault_epochs').pluck().get() as Buffer),
      ...[0, 150, 299].map((i) => Buffer.from(wrappedOf(database, `s${i}`))),
    ]
    const held = () => old.map((bytes) => allBytes(directory).includes(bytes))
    expect(held()).toEqual([true, true, true, true])
    await vault.rotate()
    expect(held()).toEqual([false, false, false, false])
    database.close()
  })

  it('KEY-1 ends a rotation that a crash interrupted', async () => {
    const path = join(place(), 'vault.db')
    const database = openDatabase(path, VAULT_MIGRATIONS)
    let batches = 0
    const stopping = {
      ...systemTimers,
      sleep: async () => {
        if (++batches === 2) throw new Error('the power failed')
      },
    }
    const vault = await createVault({
      database,
      deviceKey: await device(),
      clock,
      random: systemRandom,
      timers: stopping,
    })
    const fields = Array.from({ length: 600 }, (_, i) => vault.seal(`s${i}`, PLACE, utf8(`field ${i}`)))
    await expect(vault.rotate()).rejects.toThrow('the power failed')
    expect(database.prepare('SELECT count(*) FROM vault_epochs').pluck().get()).toBe(2)
    const again = await create(database)
    expect(database.prepare('SELECT count(*) FROM vault_epochs').pluck().get()).toBe(1)
    fields.forEach((field, i) => {
      expect(again.open(`s${i}`, PLACE, field)).toEqual(utf8(`field ${i}`))
    })
    database.close()
  })
})

describe('the key of a store', () => {
  it('STO-1 is made once, stands wrapped on disk, and moves to another device key', async () => {
    const path = join(place(), 'store-key')
    const key = await openStoreKey({ deviceKey: await device(), random: systemRandom }, { path })
    expect(key).toHaveLength(32)
    expect(readFileSync(path).includes(Buffer.from(key))).toBe(false)
    expect(await openStoreKey({ deviceKey: await device(), random: systemRandom }, { path })).toEqual(key)
    const other = { deviceKey: await device('other'), random: systemRandom }
    await expect(openStoreKey(other, { path })).rejects.toMatchObject({ code: 'keys/wrong-key' })
    await saveStoreKey(other.deviceKey, path, key)
    expect(await openStoreKey(other, { path })).toEqual(key)
    expect(existsSync(`${path}.tmp`)).toBe(false)
  })

  it('STO-1 names a file that holds another secret or nothing', async () => {
    const path = join(place(), 'store-key')
    const deviceKey = await device()
    await saveStoreKey(deviceKey, path, new Uint8Array(31))
    const failed = openStoreKey({ deviceKey, random: systemRandom }, { path }).catch((error) =>
      errorCode(error),
    )
    expect(await failed).toBe('store/damaged')
  })
})
