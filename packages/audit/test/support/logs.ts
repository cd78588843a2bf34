import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  type AuditEvent,
  type Clock,
  systemClock,
  systemRandom,
  systemTimers,
  type Timers,
} from '@askee/core'
import { createVault, type Database, openDatabase, type Vault } from '@askee/store'
import {
  AUDIT_MIGRATIONS,
  type AuditLog,
  createAuditLog,
  createRetention,
  parseProfile,
  type Retention,
} from '../../src/index.ts'

export interface OpenLog {
  readonly log: AuditLog
  readonly database: Database
  readonly vault: Vault
  readonly retention: Retention
  readonly timers: Timers
}

export const SUBJECT_KEY = new Uint8Array(32).fill(7)

/** Logs on disk in a folder of their own. */
export class Logs {
  #directory = mkdtempSync(join(tmpdir(), 'askee-audit-'))
  readonly #open: Database[] = []

  async open(name = 'audit', clock: Clock = systemClock): Promise<OpenLog> {
    const database = openDatabase(join(this.#directory, `${name}.db`), AUDIT_MIGRATIONS)
    this.#open.push(database)
    const parts = { database, clock, random: systemRandom }
    const vault = await createVault({ ...parts, deviceKey: PLAIN, timers: systemTimers })
    const log = createAuditLog({ ...parts, vault }, { subjectKey: SUBJECT_KEY })
    const held = { log, database, vault, timers: systemTimers }
    return { ...held, retention: createRetention({ ...held, clock }, { subjectKey: SUBJECT_KEY }) }
  }

  close(): void {
    for (const database of this.#open.splice(0)) database.close()
    rmSync(this.#directory, { recursive: true, force: true })
  }
}

/** The log alone is tried here; the device key has tests of its own. */
const PLAIN = { wrap: async (secret: Uint8Array) => secret, unwrap: async (wrapped: Uint8Array) => wrapped }

/** Contents of the acts here are over at once. */
export const OLD = parseProfile({
  id: 'old',
  title: 'Nothing is kept',
  retention: [
    {
      name: 'own',
      actions: ['audit.*', 'erasure.*'],
      regions: 'all',
      leastDays: 0,
      mostDays: null,
      source: 'x',
    },
    { name: 'all', actions: ['*'], regions: 'all', leastDays: 0, mostDays: 0, source: 'x' },
  ],
  evidence: [],
  erasure: null,
})

export function act(number: number, subject = 'consent-1'): AuditEvent {
  return {
    action: 'consent.used',
    subject,
    outcome: 'done',
    content: { number, text: 'folding of proteins' },
  }
}

/** As somebody does it who holds the disk and the keys: the triggers go first. */
export function tamper(database: Database, sql: string): void {
  const triggers = database.prepare("SELECT name FROM sqlite_master WHERE type = 'trigger'").pluck().all()
  for (const name of triggers) database.exec(`DROP TRIGGER ${name}`)
  database.exec(sql)
}
