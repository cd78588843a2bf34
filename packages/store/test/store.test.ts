import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { digestOf, errorCode } from '@askee/core'
import { VirtualTime } from '@askee/core/testing'
import { afterAll, describe, expect, it } from 'vitest'
import { createBlockStore, lockDirectory, openDatabase } from '../src/index.ts'

const folder = mkdtempSync(join(tmpdir(), 'askee-store-'))
afterAll(() => rmSync(folder, { recursive: true }))

function codeOf(body: () => unknown): string | undefined {
  try {
    body()
    return undefined
  } catch (error) {
    return errorCode(error)
  }
}

describe('database', () => {
  const first = { version: 1, sql: 'CREATE TABLE a (x INTEGER) STRICT' }
  const second = { version: 2, sql: 'ALTER TABLE a ADD COLUMN y TEXT' }

  it('STO-2 runs each migration once, in order', () => {
    const path = join(folder, 'migrated.db')
    openDatabase(path, [first]).close()
    const database = openDatabase(path, [first, second])
    database.prepare('INSERT INTO a VALUES (1, ?)').run('one')
    database.close()
    expect(openDatabase(path, [first, second]).prepare('SELECT * FROM a').all()).toEqual([{ x: 1, y: 'one' }])
    expect(codeOf(() => openDatabase(path, [first]))).toBe('store/newer-schema')
    expect(codeOf(() => openDatabase(join(folder, 'gap.db'), [second]))).toBe('store/migrations')
  })

  it('STO-2 leaves the old schema whole when a migration fails', () => {
    const path = join(folder, 'failing.db')
    openDatabase(path, [first]).close()
    const bad = { version: 2, sql: 'CREATE TABLE b (x INTEGER); CREATE TABLE a (x INTEGER)' }
    expect(() => openDatabase(path, [first, bad])).toThrow(/already exists/)
    const tables = openDatabase(path, [first])
      .prepare("SELECT name FROM sqlite_master WHERE type = 'table'")
      .all()
    expect(tables).toEqual([{ name: 'a' }])
  })

  it('STO-2 names a file that is no database', () => {
    const path = join(folder, 'text.db')
    writeFileSync(path, 'not a database, but long enough to be looked at '.repeat(100))
    expect(codeOf(() => openDatabase(path, [first]))).toBe('store/damaged')
  })

  it('STO-2 keeps every acknowledged transaction through kill -9', async () => {
    const path = join(folder, 'killed.db')
    const script = `
      import { openDatabase } from ${JSON.stringify(new URL('../src/index.ts', import.meta.url).href)}
      const database = openDatabase(${JSON.stringify(path)}, [{ version: 1, sql: 'CREATE TABLE n (x INTEGER) STRICT' }])
      const insert = database.prepare('INSERT INTO n VALUES (?)')
      for (let i = 0; ; i++) { insert.run(i); process.stdout.write(i + '\\n') }`
    for (let round = 0; round < 3; round++) {
      rmSync(path, { force: true })
      const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      let seen = ''
      child.stdout.on('data', (chunk) => {
        seen += chunk
        if (seen.length > 200 + round * 300) child.kill('SIGKILL')
      })
      await new Promise((resolve) => child.on('close', resolve))
      const acknowledged = seen.split('\n').length - 2
      const database = openDatabase(path, [{ version: 1, sql: '' }])
      const rows = database.prepare('SELECT x FROM n ORDER BY x').all() as { x: number }[]
      expect(rows.length).toBeGreaterThan(acknowledged)
      expect(rows.map((row) => row.x)).toEqual(rows.map((_, i) => i))
      database.close()
      for (const rest of ['-wal', '-shm']) rmSync(path + rest, { force: true })
    }
  })
})

describe('lock of a directory', () => {
  it('STO-2 lets one process at a time have a directory, and the next one after kill -9', async () => {
    const path = join(folder, 'locked')
    const script = `
      import { lockDirectory } from ${JSON.stringify(new URL('../src/index.ts', import.meta.url).href)}
      lockDirectory(${JSON.stringify(path)})
      console.log('locked')
      setInterval(() => {}, 1000)`
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    await new Promise((resolve) => child.stdout.once('data', resolve))
    expect(codeOf(() => lockDirectory(path))).toBe('store/in-use')
    child.kill('SIGKILL')
    await new Promise((resolve) => child.once('close', resolve))
    const release = lockDirectory(path)
    release()
    lockDirectory(path)()
  })
})

describe('block store', () => {
  const clock = new VirtualTime()
  let number = 0
  const open = (directory = join(folder, `blocks-${number++}`), maxBytes = 1000) =>
    createBlockStore({ clock }, { directory, maxBytes })
  const block = (fill: number, length = 300) => new Uint8Array(length).fill(fill)

  it('CMP-9 names a block by its content and gives it back, also after a restart', async () => {
    const directory = join(folder, 'again')
    const digest = await (await open(directory)).put(block(1))
    expect(digest).toBe(digestOf(block(1)))
    const store = await open(directory)
    expect(await store.has(digest)).toBe(true)
    expect(await store.get(digest)).toEqual(block(1))
    expect(await store.get(digestOf(block(9)))).toBeUndefined()
  })

  it('CMP-9 drops a damaged block instead of giving it', async () => {
    const directory = join(folder, 'damaged')
    const store = await open(directory)
    const digest = await store.put(block(2))
    writeFileSync(join(directory, digest.slice(0, 2), digest), block(3))
    expect(await store.get(digest)).toBeUndefined()
    expect(await store.has(digest)).toBe(false)
    expect(store.size()).toBe(0)
  })

  it('CMP-9 gives ranges of a block, verified once after a start, and its size without reading', async () => {
    const directory = join(folder, 'ranges')
    const bytes = Uint8Array.from({ length: 300 }, (_, i) => i)
    const digest = await (await open(directory)).put(bytes)
    const damaged = await (await open(directory)).put(block(8))
    const path = (name: string) => join(directory, name.slice(0, 2), name)
    writeFileSync(path(damaged), block(9))
    const store = await open(directory)
    expect(await store.sizeOf(digest)).toBe(300)
    expect(await store.readRange(digest, 10, 20)).toEqual(bytes.slice(10, 30))
    expect(await store.readRange(digest, 290, 20)).toEqual(bytes.slice(290))
    expect(await store.readRange(digest, 300, 20)).toEqual(new Uint8Array(0))
    expect(await store.readRange(damaged, 0, 10)).toBeUndefined()
    expect(await store.has(damaged)).toBe(false)
    expect(await store.sizeOf(damaged)).toBeUndefined()
    // Changed after its check: the reader of all ranges notices, this store no longer does.
    writeFileSync(path(digest), block(1))
    expect(await store.readRange(digest, 0, 3)).toEqual(Uint8Array.of(1, 1, 1))
    writeFileSync(path(digest), block(1, 5))
    expect(await store.readRange(digest, 0, 30)).toBeUndefined()
    rmSync(path(digest))
    expect(await store.readRange(digest, 0, 30)).toBeUndefined()
  })

  it('CMP-9 verifies a large block without holding up the event loop', async () => {
    const directory = join(folder, 'large')
    const size = 48 * 1024 * 1024
    const digest = await (await open(directory, 2 ** 30)).put(block(1, size))
    const store = await open(directory, 2 ** 30)
    let turns = 0
    const counter = setInterval(() => turns++, 1)
    const ranges = await Promise.all([store.readRange(digest, 0, 2), store.readRange(digest, size - 2, 9)])
    clearInterval(counter)
    expect(ranges).toEqual([block(1, 2), block(1, 2)])
    expect(turns).toBeGreaterThan(5)
  })

  it('CON-5 a block that the disk does not give up is still there for who asks again', async () => {
    const directory = join(folder, 'stubborn')
    const store = await open(directory)
    const digest = await store.put(block(1, 100))
    const [file] = readdirSync(directory, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && entry.name !== 'key-check')
      .map((entry) => join(entry.parentPath, entry.name)) as [string]
    // A folder cannot be unlinked.
    rmSync(file)
    mkdirSync(file)
    await expect(store.remove(digest)).rejects.toThrow()
    expect(store.size()).toBe(100)
    rmSync(file, { recursive: true })
    expect(await store.remove(digest)).toBe('removed')
    expect(store.size()).toBe(0)
  })

  it('CON-5 removes a block from the disk when told, and none that is pinned', async () => {
    const directory = join(folder, 'removed')
    const store = await open(directory)
    const digest = await store.put(block(1, 100))
    const unpin = store.pin(digest)
    expect(await store.remove(digest)).toBe('pinned')
    unpin()
    const left = (): string[] =>
      readdirSync(directory, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile() && entry.name !== 'key-check')
        .map((entry) => entry.name)
    expect(left()).toHaveLength(1)
    expect(await store.remove(digest)).toBe('removed')
    expect(await store.remove(digest)).toBe('absent')
    expect(left()).toEqual([])
    expect(store.size()).toBe(0)
  })

  it('CMP-9 stays within its limit, least recently used first, pinned blocks kept', async () => {
    const store = await open()
    const a = await store.put(block(1))
    const unpin = store.pin(a)
    await clock.advance(10)
    const second = await store.put(block(2))
    await clock.advance(10)
    const third = await store.put(block(3))
    await clock.advance(10)
    await store.get(second)
    const fourth = await store.put(block(4))
    expect(await Promise.all([a, second, third, fourth].map((d) => store.has(d)))).toEqual([
      true,
      true,
      false,
      true,
    ])
    expect(store.size()).toBeLessThanOrEqual(1000)
    await expect(store.put(block(5, 900))).rejects.toMatchObject({ code: 'blocks/full' })
    unpin()
    await store.put(block(5, 900))
  })

  it('CMP-9 removes what a crash left half written', async () => {
    const directory = join(folder, 'crashed')
    mkdirSync(join(directory, 'aa'), { recursive: true })
    writeFileSync(join(directory, 'aa', `${'a'.repeat(64)}.0.tmp`), 'half')
    await open(directory)
    expect(readdirSync(join(directory, 'aa'))).toEqual([])
  })

  it('CMP-9 takes the same block from many writers at once', async () => {
    const store = await open()
    const digests = await Promise.all(Array.from({ length: 20 }, () => store.put(block(7))))
    expect(new Set(digests).size).toBe(1)
    expect(store.size()).toBe(300)
    expect(await store.get(digestOf(block(7)))).toEqual(block(7))
  })
})
