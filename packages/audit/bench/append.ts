/**
 * The log in an encrypted database beside bare inserts of rows of the same size into a plain one, in batches of the same size,
 * processor time of the same run. Control: each act in a transaction of its own. `node packages/audit/bench/append.ts`.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type AuditEvent, systemClock, systemRandom, systemTimers } from '@askee/core'
import { createVault, type Database, openDatabase } from '@askee/store'
import { AUDIT_MIGRATIONS, type AuditLog, createAuditLog } from '../src/index.ts'

const ACTS = 5_000
/** As many as the log takes into one transaction. */
const BATCH = 500
const SINGLE = 300
/** Subjects of the acts: each has a key of its own. */
const SUBJECTS = 50
const ENTRY = new Uint8Array(100).fill(7)
const SEALED = new Uint8Array(220).fill(7)
const KEY = new Uint8Array(32).fill(7)
const PLAIN_DEVICE = {
  wrap: async (secret: Uint8Array) => secret,
  unwrap: async (wrapped: Uint8Array) => wrapped,
}
const RAW = [
  {
    version: 1,
    sql: `CREATE TABLE entries (idx INTEGER PRIMARY KEY, entry BLOB NOT NULL) STRICT;
          CREATE TABLE contents (idx INTEGER PRIMARY KEY, subject TEXT, action TEXT, at INTEGER, sealed BLOB) STRICT;`,
  },
]

/** Acts a second of processor time. */
export interface AppendRates {
  readonly log: number
  /** The log, one act a transaction. */
  readonly single: number
  /** Bare inserts of an entry and a content. */
  readonly raw: number
}

/** Medians of `rounds` rounds in which all take turns. */
export async function measureAppend(rounds = 5): Promise<AppendRates> {
  const taken: AppendRates[] = []
  for (let i = 0; i < rounds; i++) {
    taken.push({
      log: await withLog((log) => rate(ACTS, () => appendAll(log))),
      single: await withLog((log) => rate(SINGLE, () => appendEach(log))),
      raw: await withDatabase(openRaw, (database) => rate(ACTS, async () => insertAll(database))),
    })
  }
  const middle = (figure: keyof AppendRates): number =>
    taken.map((one) => one[figure]).sort((a, b) => a - b)[taken.length >> 1] as number
  return { log: middle('log'), single: middle('single'), raw: middle('raw') }
}

function act(number: number): AuditEvent {
  const content = { number, fuel: 123_456, text: 'folding of proteins' }
  return { action: 'consent.used', subject: `consent-${number % SUBJECTS}`, outcome: 'done', content }
}

async function appendAll(log: AuditLog): Promise<void> {
  for (let from = 0; from < ACTS; from += BATCH) {
    await Promise.all(Array.from({ length: BATCH }, (_, i) => log.append(act(from + i))))
  }
}

async function appendEach(log: AuditLog): Promise<void> {
  for (let i = 0; i < SINGLE; i++) await log.append(act(i))
}

function insertAll(database: Database): void {
  const entry = database.prepare('INSERT INTO entries VALUES (?, ?)')
  const content = database.prepare('INSERT INTO contents VALUES (?, ?, ?, ?, ?)')
  const batch = database.transaction((from: number) => {
    for (let i = from; i < from + BATCH; i++) {
      entry.run(i, ENTRY)
      content.run(i, `consent-${i % SUBJECTS}`, 'consent.used', i, SEALED)
    }
  })
  for (let from = 0; from < ACTS; from += BATCH) batch(from)
}

function withLog(body: (log: AuditLog) => Promise<number>): Promise<number> {
  const open = (path: string): Database => openDatabase(path, AUDIT_MIGRATIONS, { key: KEY })
  return withDatabase(open, async (database) => {
    const parts = { database, clock: systemClock, random: systemRandom }
    const vault = await createVault({ ...parts, deviceKey: PLAIN_DEVICE, timers: systemTimers })
    return body(createAuditLog({ ...parts, vault }, { subjectKey: KEY }))
  })
}

const openRaw = (path: string): Database => openDatabase(path, RAW)

async function withDatabase(
  open: (path: string) => Database,
  body: (database: Database) => Promise<number>,
): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'askee-bench-'))
  const database = open(join(folder, 'bench.db'))
  try {
    return await body(database)
  } finally {
    database.close()
    rmSync(folder, { recursive: true })
  }
}

async function rate(operations: number, body: () => Promise<void>): Promise<number> {
  const before = process.cpuUsage()
  await body()
  const { user, system } = process.cpuUsage(before)
  return (operations * 1e6) / (user + system)
}

if (import.meta.main) {
  const { log, single, raw } = await measureAppend()
  process.stdout.write(
    `log ${log.toFixed(0)}, one by one ${single.toFixed(0)}, bare inserts ${raw.toFixed(0)} acts a second of processor time\n`,
  )
}
