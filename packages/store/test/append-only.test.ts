import { describe, expect, it } from 'vitest'
import { appendOnly, type Database, openDatabase, purge, purges } from '../src/index.ts'
import { codeOf } from './support/folder.ts'

const SCHEMA = [
  {
    version: 1,
    sql: `CREATE TABLE acts (id INTEGER PRIMARY KEY, name TEXT UNIQUE, at INTEGER) STRICT; ${appendOnly('acts')}`,
  },
]

function filled(): Database {
  const database = openDatabase(':memory:', SCHEMA)
  for (let i = 1; i <= 5; i++)
    database.prepare('INSERT INTO acts VALUES (?, ?, ?)').run(i, `act ${i}`, i * 10)
  return database
}
const ids = (database: Database): unknown[] =>
  database.prepare('SELECT id FROM acts ORDER BY id').pluck().all()

describe('an append-only table', () => {
  it.each([
    "UPDATE acts SET name = 'other' WHERE id = 3",
    'DELETE FROM acts WHERE id = 3',
    'DELETE FROM acts',
    "REPLACE INTO acts VALUES (3, 'other', 0)",
    "INSERT OR REPLACE INTO acts VALUES (9, 'act 3', 0)",
    "INSERT INTO acts VALUES (3, 'x', 0) ON CONFLICT DO UPDATE SET name = 'other'",
    'UPDATE OR REPLACE acts SET id = 4 WHERE id = 3',
  ])('AUD-1 refuses %s', (sql) => {
    const database = filled()
    expect(() => database.exec(sql)).toThrow('acts is append-only')
    expect(database.prepare('SELECT name FROM acts').pluck().all()).toEqual(
      [1, 2, 3, 4, 5].map((i) => `act ${i}`),
    )
    database.exec("INSERT INTO acts VALUES (6, 'act 6', 60)")
    expect(ids(database)).toHaveLength(6)
  })

  it('AUD-2 purges by name, with a reason that is kept for ever', () => {
    const database = filled()
    const order = { table: 'acts', where: 'at < ?', parameters: [30], reason: 'older than 90 days', at: 100 }
    expect(purge(database, order)).toBe(2)
    expect(ids(database)).toEqual([3, 4, 5])
    expect(purges(database)).toEqual([{ sequence: 1, table: 'acts', reason: order.reason, rows: 2, at: 100 }])
    expect(() => database.exec('DELETE FROM acts')).toThrow('append-only')
    for (const sql of ['DELETE FROM store_purges', "UPDATE store_purges SET reason = 'none'"]) {
      expect(() => database.exec(sql)).toThrow('store_purges is append-only')
    }
  })

  it('AUD-2 leaves no open door when a purge fails', () => {
    const database = filled()
    const order = { table: 'acts', where: 'no_such_column = 1', parameters: [], reason: 'test', at: 1 }
    expect(() => purge(database, order)).toThrow(/no such column/)
    expect(() => database.exec('DELETE FROM acts')).toThrow('append-only')
    expect(purges(database)).toEqual([])
  })

  it('AUD-2 refuses a purge without a reason or of no proper name', () => {
    const database = filled()
    const order = { table: 'acts', where: 'TRUE', parameters: [], reason: 'test', at: 1 }
    expect(codeOf(() => purge(database, { ...order, reason: '' }))).toBe('store/purge')
    expect(codeOf(() => purge(database, { ...order, table: 'acts"; --' }))).toBe('store/purge')
    expect(codeOf(() => appendOnly('Acts'))).toBe('store/purge')
    expect(ids(database)).toHaveLength(5)
  })
})
