import { AskeeError } from '@askee/core'
import type { Database } from '@askee/store'
import type { AuditLog } from '../log.ts'
import type { Turns } from '../turns.ts'
import { stateOf } from './pages.ts'

/** An act that is not written yet. */
const UNWRITTEN = -1

/** Whether what is held about a subject must stay, whatever any rule or person says. */
export function isHeld(database: Database, tag: string): boolean {
  return holdsOn(database, tag).length > 0
}

/** Numbers of the holds on a subject that are in force, oldest first. */
function holdsOn(database: Database, tag: string): number[] {
  return database
    .prepare('SELECT number FROM audit_legal_holds WHERE subject = ? AND released IS NULL ORDER BY number')
    .pluck()
    .all(tag) as number[]
}

/** @throws AskeeError `audit/legal-hold` */
export function checkNotHeld(database: Database, tag: string): void {
  const holds = holdsOn(database, tag)
  if (holds.length === 0) return
  throw new AskeeError(
    'audit/legal-hold',
    `what is written about this subject is under legal hold (${named(holds)}): nothing was erased. End each hold first (askee audit release), then ask again; that it was asked stands in the log.`,
    { holds: holds.join(' ') },
  )
}

/**
 * That a hold can be released: it is in force, or the log says it and it was taken away.
 * @throws AskeeError `audit/not-held`
 */
export async function checkHeld(
  parts: { log: AuditLog; database: Database; turns: Turns },
  tag: string,
  hold: number,
): Promise<void> {
  const holds = holdsOn(parts.database, tag)
  if (holds.includes(hold)) return
  if ((await missingHolds(parts, tag)).some((missing) => missing.hold === hold)) return
  throw new AskeeError(
    'audit/not-held',
    holds.length === 0
      ? 'there is no legal hold on this subject: nothing was released. Hold and release take the same whole id.'
      : `hold ${hold} on this subject is not in force: nothing was released. In force: ${named(holds)}.`,
    { holds: holds.join(' ') },
  )
}

/**
 * In force from here on, before any act says so: a crash in between holds too much, never too little. Beside those that there
 * are: who holds for one case takes nothing from another's.
 * @returns its number
 */
export function putHold(database: Database, tag: string): number {
  const insert = database.prepare('INSERT INTO audit_legal_holds (subject, held) VALUES (?, ?)')
  return Number(insert.run(tag, UNWRITTEN).lastInsertRowid)
}

/** @param index the act that says so */
export function nameHold(database: Database, hold: number, index: number): void {
  database.prepare('UPDATE audit_legal_holds SET held = ? WHERE number = ?').run(index, hold)
}

/** @param index the act that says so */
export function endHold(database: Database, hold: number, index: number): void {
  database.prepare('UPDATE audit_legal_holds SET released = ? WHERE number = ?').run(index, hold)
}

/** Takes back a hold whose act could not be written; no other. */
export function withdrawHold(database: Database, hold: number): void {
  database.prepare('DELETE FROM audit_legal_holds WHERE number = ? AND held = ?').run(hold, UNWRITTEN)
}

/** Names the holds that a crash kept from it. One whose act is not on disk stays in force, under its number. */
export function nameCrashedHolds(log: AuditLog, database: Database): void {
  const crashed = database
    .prepare('SELECT number, subject FROM audit_legal_holds WHERE held = ?')
    .all(UNWRITTEN) as { number: number; subject: string }[]
  const acts = database
    .prepare("SELECT idx FROM audit_contents WHERE action = 'audit.held' AND subject = ? ORDER BY idx DESC")
    .pluck()
  for (const { number, subject } of crashed) {
    const index = (acts.all(subject) as number[]).find((at) => holdNamedBy(log, at) === number)
    if (index !== undefined) nameHold(database, number, index)
  }
}

/** Subjects under legal hold. */
export function countHolds(database: Database): number {
  const count = database.prepare(
    'SELECT count(DISTINCT subject) FROM audit_legal_holds WHERE released IS NULL',
  )
  return count.pluck().get() as number
}

/** A hold that the log says and nobody released by name, and that is not in force: somebody took it away. */
interface MissingHold {
  /** The act that says that it began. */
  readonly index: number
  /** None in acts of before holds had numbers. */
  readonly hold: number | undefined
}

/** @param tag of one subject; default: of all */
export async function missingHolds(
  { log, database, turns }: { log: AuditLog; database: Database; turns: Turns },
  tag?: string,
): Promise<MissingHold[]> {
  const acts = database
    .prepare(
      `SELECT idx, subject FROM audit_contents
       WHERE action = 'audit.held' AND subject = coalesce(?, subject) ORDER BY idx`,
    )
    .all(tag ?? null) as { idx: number; subject: string }[]
  const inForce = database.prepare(
    `SELECT 1 FROM audit_legal_holds WHERE subject = ? AND released IS NULL
     AND (held = ? OR (held = ${UNWRITTEN} AND number = ?))`,
  )
  const releases = database
    .prepare("SELECT idx FROM audit_contents WHERE action = 'audit.released' AND subject = ? AND idx > ?")
    .pluck()
  const missing: MissingHold[] = []
  for (const { idx, subject } of acts) {
    await turns.spend(2)
    const hold = holdNamedBy(log, idx)
    if (inForce.get(subject, idx, hold ?? null) !== undefined) continue
    const isReleased = (releases.all(subject, idx) as number[]).some((at) => {
      const released = holdNamedBy(log, at)
      return hold === undefined || released === undefined || released === hold
    })
    if (!isReleased) missing.push({ index: idx, hold })
  }
  return missing
}

/** The number in an act of hold or release; none in those of before holds had numbers, and in those that were erased. */
function holdNamedBy(log: AuditLog, index: number): number | undefined {
  const event = stateOf(log, index)
  const hold = typeof event === 'string' ? undefined : event.content.hold
  return typeof hold === 'number' ? hold : undefined
}

function named(holds: readonly number[]): string {
  return `${holds.length === 1 ? 'hold' : 'holds'} ${holds.join(', ')}`
}
