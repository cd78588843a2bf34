import { AskeeError } from '@askee/core'
import type { Database } from '@askee/store'

/** Whether what is held about a subject must stay, whatever any rule or person says. */
export function isHeld(database: Database, tag: string): boolean {
  return database.prepare('SELECT 1 FROM audit_holds WHERE subject = ?').get(tag) !== undefined
}

/** @throws AskeeError `audit/legal-hold` */
export function checkNotHeld(database: Database, tag: string): void {
  if (!isHeld(database, tag)) return
  throw new AskeeError(
    'audit/legal-hold',
    'what is written about this subject is under legal hold: nothing was erased. End the hold first (askee audit release), then ask again; that it was asked stands in the log.',
  )
}

/** In force from here on, before any act says so: a crash in between holds too much, never too little. */
export function putHold(database: Database, tag: string): void {
  database.prepare('INSERT OR IGNORE INTO audit_holds VALUES (?, -1)').run(tag)
}

/** @param index the act that says so, the first if there are several */
export function nameHold(database: Database, tag: string, index: number): void {
  database.prepare('UPDATE audit_holds SET idx = ? WHERE subject = ? AND idx = -1').run(index, tag)
}

/** @returns whether there was one */
export function endHold(database: Database, tag: string): boolean {
  return database.prepare('DELETE FROM audit_holds WHERE subject = ?').run(tag).changes > 0
}

export function countHolds(database: Database): number {
  return database.prepare('SELECT count(*) FROM audit_holds').pluck().get() as number
}

/** Takes back a hold that no act names yet. */
export function withdrawHold(database: Database, tag: string): void {
  database.prepare('DELETE FROM audit_holds WHERE subject = ? AND idx = -1').run(tag)
}
