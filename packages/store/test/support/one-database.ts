import { closeSync, copyFileSync, existsSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { AskeeError, systemRandom } from '@askee/core'
import { openSoftwareDeviceKey } from '@askee/keys'
import { type Database, openDatabase, openGenerations, openStoreKey } from '../../src/index.ts'
import type { Judgement, Standing } from './hostile.ts'

const ENDS = ['', '-wal', '-shm']

/** Judges changes to the files of one database without opening the rest of the store: some milliseconds each. */
export interface OneDatabase {
  judge(end: string, at: number, before: number): Judgement
}

export async function oneDatabase(standing: Standing, name: string, work: string): Promise<OneDatabase> {
  const random = systemRandom
  const deviceKey = await openSoftwareDeviceKey({ path: standing.device, random })
  const key = await openStoreKey({ deviceKey, random }, { path: join(standing.directory, 'store-key') })
  rmSync(work, { recursive: true, force: true })
  mkdirSync(work)
  const restore = (): void => {
    for (const end of ENDS) {
      rmSync(join(work, name + end), { force: true })
      const from = join(standing.directory, name + end)
      if (existsSync(from)) copyFileSync(from, join(work, name + end))
    }
    copyFileSync(join(standing.directory, 'generations'), join(work, 'generations'))
  }
  const read = (): string => {
    const generations = openGenerations({ random }, { path: join(work, 'generations'), key })
    // As many migrations as the file has: nothing is to be migrated here.
    const migrations = [1, 2].map((version) => ({ version, sql: '' }))
    const database = openDatabase(join(work, name), migrations, { key, generations })
    try {
      return dump(database)
    } finally {
      database.close()
    }
  }
  restore()
  const expected = read()
  return {
    judge(end, at, before) {
      restore()
      write(join(work, name + end), at, before ^ (1 << (at % 8)))
      try {
        return read() === expected ? { kind: 'whole' } : { kind: 'failed', text: 'other rows' }
      } catch (error) {
        if (error instanceof AskeeError) return { kind: 'named', code: error.code, text: error.message }
        return { kind: 'failed', text: `not named: ${error}` }
      }
    },
  }
}

function dump(database: Database): string {
  const tables = database
    .prepare("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'store_%' ORDER BY name")
    .pluck()
    .all() as string[]
  return JSON.stringify(tables.map((table) => [table, database.prepare(`SELECT * FROM ${table}`).all()]))
}

function write(path: string, at: number, byte: number): void {
  const file = openSync(path, 'r+')
  writeSync(file, Uint8Array.of(byte & 255), 0, 1, at)
  closeSync(file)
}
