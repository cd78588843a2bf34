/**
 * An encrypted database beside a plain one of the same run: processor time of rows written in batches, of rows read, and of
 * rows read with a page cache too small for them. Controls: each cipher that was not chosen. `node packages/store/bench/databases.ts`.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import SQLite from 'better-sqlite3-multiple-ciphers'
import { openDatabase } from '../src/index.ts'

type Kind = 'plain' | 'sealed' | 'chacha20' | 'sqlcipher'

/** Operations a second of processor time. */
export interface DatabaseRates {
  readonly insert: number
  readonly get: number
  /** With 100 pages in memory: nearly every read decrypts. */
  readonly coldGet: number
  /** Transactions of one row; most of their time is the disk's and not counted here. */
  readonly commit: number
}

const ROWS = 20_000
const COMMITS = 200
const BATCH = 1_000
const VALUE = new Uint8Array(200).fill(7)
const KEY = new Uint8Array(32).fill(7)
const SCHEMA = [{ version: 1, sql: 'CREATE TABLE pairs (key TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT' }]
/** Coprime with `ROWS`: visits every row, never one after its neighbour. */
const STEP = 7_919

/** One round of a kind, in a database of its own. */
export function measureDatabase(kind: Kind): DatabaseRates {
  const folder = mkdtempSync(join(tmpdir(), 'askee-bench-'))
  const database = open(kind, join(folder, 'bench.db'))
  const insert = database.prepare('INSERT INTO pairs VALUES (?, ?)')
  const select = database.prepare('SELECT value FROM pairs WHERE key = ?')
  const key = (i: number): string => `key ${(i * STEP) % ROWS}`
  const batch = database.transaction((from: number) => {
    for (let i = from; i < from + BATCH; i++) insert.run(key(i), VALUE)
  })
  const readAll = (): void => {
    for (let i = 0; i < ROWS; i++) select.get(key(i * 3))
  }
  try {
    const inserted = rate(ROWS, () => {
      for (let from = 0; from < ROWS; from += BATCH) batch(from)
    })
    readAll()
    const get = rate(ROWS, readAll)
    database.pragma('cache_size = 100')
    const coldGet = rate(ROWS, readAll)
    const commit = rate(COMMITS, () => {
      for (let i = 0; i < COMMITS; i++) insert.run(`single ${i}`, VALUE)
    })
    return { insert: inserted, get, coldGet, commit }
  } finally {
    database.close()
    rmSync(folder, { recursive: true })
  }
}

function open(kind: Kind, path: string): SQLite {
  if (kind === 'plain') return openDatabase(path, SCHEMA)
  if (kind === 'sealed') return openDatabase(path, SCHEMA, { key: KEY })
  const database = new SQLite(path)
  database.pragma(`cipher = '${kind}'`)
  database.key(Buffer.concat([Buffer.from('raw:'), KEY]))
  database.pragma('journal_mode = WAL')
  database.pragma('synchronous = FULL')
  for (const { sql } of SCHEMA) database.exec(sql)
  return database
}

function rate(operations: number, body: () => void): number {
  const before = process.cpuUsage()
  body()
  const { user, system } = process.cpuUsage(before)
  return (operations * 1e6) / (user + system)
}

export const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[values.length >> 1] as number

/** Medians of `rounds` rounds in which all kinds take turns. */
export function measureDatabases(
  rounds: number,
  kinds: readonly Kind[] = ['plain', 'sealed'],
): Map<Kind, DatabaseRates> {
  const taken = new Map<Kind, DatabaseRates[]>(kinds.map((kind) => [kind, []]))
  for (let i = 0; i < rounds; i++) for (const kind of kinds) taken.get(kind)?.push(measureDatabase(kind))
  const middle = (all: DatabaseRates[], figure: keyof DatabaseRates) => median(all.map((one) => one[figure]))
  return new Map(
    [...taken].map(([kind, all]) => [
      kind,
      {
        insert: middle(all, 'insert'),
        get: middle(all, 'get'),
        coldGet: middle(all, 'coldGet'),
        commit: middle(all, 'commit'),
      },
    ]),
  )
}

if (import.meta.main) {
  const rates = measureDatabases(5, ['plain', 'sealed', 'chacha20', 'sqlcipher'])
  for (const [kind, { insert, get, coldGet, commit }] of rates) {
    const columns = [insert, get, coldGet, commit].map((value) => value.toFixed(0).padStart(9))
    process.stdout.write(`${kind.padEnd(10)} insert, get, cold get, commit: ${columns.join('')} per second\n`)
  }
}
