import { AskeeError, type AuditEvent, type Timestamp } from '@askee/core'
import type { Database } from '@askee/store'
import type { AuditLog } from '../log.ts'
import { HELD_SUBJECTS } from '../schema.ts'
import type { Turns } from '../turns.ts'

/** Rows read at once. */
const PAGE = 128
/** What a page of rows costs that are only looked at, in units of a turn. */
const PAGE_UNITS = 8

/** A content without what is in it. */
export interface HeldContent {
  readonly idx: number
  readonly subject: string
  readonly action: string
  readonly at: Timestamp
  /** 1 when it is under legal hold. */
  readonly isHeld: number
}

/** All contents in the order of the log, with turns of the event loop between the pages. */
export async function* contentsOf(database: Database, turns: Turns): AsyncGenerator<HeldContent> {
  const page = database.prepare(
    `SELECT idx, subject, action, at, subject IN (${HELD_SUBJECTS}) AS isHeld
     FROM audit_contents WHERE idx > ? ORDER BY idx LIMIT ${PAGE}`,
  )
  let after = -1
  for (;;) {
    const rows = page.all(after) as HeldContent[]
    yield* rows
    await turns.spend(PAGE_UNITS)
    const last = rows.at(-1)
    if (last === undefined) return
    after = last.idx
  }
}

/** An entry, and whose content it has; null where that was purged. */
export interface EntryRow {
  readonly idx: number
  readonly entry: Uint8Array
  readonly subject: string | null
}

/** All entries from `from`, as above. */
export async function* entriesOf(database: Database, turns: Turns, from = 0): AsyncGenerator<EntryRow> {
  const page = database.prepare(
    `SELECT idx, entry, subject FROM audit_entries LEFT JOIN audit_contents USING (idx)
     WHERE idx >= ? ORDER BY idx LIMIT ${PAGE}`,
  )
  let next = from
  for (;;) {
    const rows = page.all(next) as EntryRow[]
    yield* rows
    await turns.spend(PAGE_UNITS)
    const last = rows.at(-1)
    if (last === undefined) return
    next = last.idx + 1
  }
}

/** What an entry's content is now. One that was damaged ends no run over the others: verification names it. */
export function stateOf(log: AuditLog, index: number): AuditEvent | 'erased' | 'purged' | 'damaged' {
  try {
    return log.read(index).event
  } catch (error) {
    if (error instanceof AskeeError) return 'damaged'
    throw error
  }
}

/** Whether the key of a content was destroyed; what is in it is not looked at. */
export function isErased(log: AuditLog, index: number): boolean {
  try {
    return log.content(index) === 'erased'
  } catch (error) {
    if (error instanceof AskeeError) return false
    throw error
  }
}
