import type { Timestamp } from '@askee/core'
import type { Database } from '@askee/store'
import { parseEntry } from '../entry.ts'
import type { AuditLog } from '../log.ts'
import { contentsDue, DAY_MS } from './due.ts'
import { isHeld } from './holds.ts'
import { type ComplianceProfile, type Region, ruleFor } from './profile.ts'

/** Something in a log that a rule does not allow. */
export interface ComplianceFinding {
  readonly code:
    | 'compliance/kept-too-long'
    | 'compliance/gone-too-early'
    | 'compliance/evidence-missing'
    | 'compliance/erasure-overdue'
  /** Name of the rule. */
  readonly rule: string
  /** Entries concerned: how many, the first and the last; 0 and null where it is about what is not there. */
  readonly count: number
  readonly first: number | null
  readonly last: number | null
  readonly text: string
}

export interface CheckedLog {
  readonly log: AuditLog
  readonly database: Database
}

/** An act of a person who asks to be forgotten; it is sealed for that person, so erasing answers it. */
export const ERASURE_REQUESTED = 'erasure.requested'

/**
 * What in the log is against the rules at `now`. Reads every content that a rule may concern: some 30 µs each.
 * @param region of acts that do not say one themselves
 */
export function checkCompliance(
  checked: CheckedLog,
  profile: ComplianceProfile,
  { now, region }: { now: Timestamp; region: Region },
): ComplianceFinding[] {
  const late = contentsDue(checked, profile, now, region).map(({ rule, indices }) =>
    finding('compliance/kept-too-long', rule.name, indices, `held for more than ${rule.mostDays} days`),
  )
  return [
    ...late,
    ...goneTooEarly(checked, profile, now, region),
    ...profile.evidence.flatMap((rule) => missingEvidence(checked, rule, now)),
    ...overdueErasures(checked, profile, now),
  ]
}

function finding(
  code: ComplianceFinding['code'],
  rule: string,
  indices: readonly number[],
  text: string,
): ComplianceFinding {
  return { code, rule, count: indices.length, first: indices[0] ?? null, last: indices.at(-1) ?? null, text }
}

/** Purged, or erased although nobody may ask for that, before the least time is over. */
function goneTooEarly(
  { log, database }: CheckedLog,
  profile: ComplianceProfile,
  now: Timestamp,
  region: Region,
): ComplianceFinding[] {
  const rows = database
    .prepare(
      'SELECT idx, entry, subject FROM audit_entries LEFT JOIN audit_contents USING (idx) ORDER BY idx',
    )
    .iterate() as IterableIterator<{ idx: number; entry: Uint8Array; subject: string | null }>
  const early = new Map<string, number[]>()
  for (const { idx, entry: bytes, subject } of rows) {
    const { at, action } = parseEntry(Uint8Array.from(bytes))
    const rule = ruleFor(profile, action, region)
    if (rule === undefined || at <= now - rule.leastDays * DAY_MS) continue
    if (subject !== null && (profile.erasure !== null || log.content(idx) !== 'erased')) continue
    const indices = early.get(rule.name) ?? []
    indices.push(idx)
    early.set(rule.name, indices)
  }
  return [...early].map(([rule, indices]) => {
    const days = profile.retention.find(({ name }) => name === rule)?.leastDays
    return finding('compliance/gone-too-early', rule, indices, `gone before ${days} days were over`)
  })
}

function missingEvidence(
  { log, database }: CheckedLog,
  rule: ComplianceProfile['evidence'][number],
  now: Timestamp,
): ComplianceFinding[] {
  const missing = (indices: readonly number[], text: string) =>
    finding('compliance/evidence-missing', rule.name, indices, text)
  if (rule.kind === 'before') {
    const indices = database
      .prepare(
        `SELECT idx FROM audit_contents AS act WHERE action = ? AND NOT EXISTS (
           SELECT 1 FROM audit_contents AS earlier
           WHERE earlier.subject = act.subject AND earlier.action = ? AND earlier.idx < act.idx
         ) ORDER BY idx`,
      )
      .pluck()
      .all(rule.act, rule.needs) as number[]
    return indices.length === 0 ? [] : [missing(indices, `${rule.act} without ${rule.needs} before it`)]
  }
  const since = now - rule.days * DAY_MS
  if (log.size() === 0) return []
  if (rule.kind === 'every') {
    const done = database
      .prepare('SELECT 1 FROM audit_contents WHERE action = ? AND at >= ?')
      .get(rule.act, since)
    const young = parseEntry(log.prove(0).entry).at >= since
    return young || done !== undefined ? [] : [missing([], `no ${rule.act} in the last ${rule.days} days`)]
  }
  const covered =
    (database.prepare('SELECT max(size) FROM audit_cosignatures').pluck().get() as number | null) ?? 0
  const old: number[] = []
  for (let index = covered; index < log.size(); index++) {
    if (parseEntry(log.prove(index).entry).at >= since) break
    old.push(index)
  }
  return old.length === 0 ? [] : [missing(old, `older than ${rule.days} days and cosigned by nobody`)]
}

/** A request is sealed for whom it is about: one that can still be read was not carried out. */
function overdueErasures(
  { log, database }: CheckedLog,
  profile: ComplianceProfile,
  now: Timestamp,
): ComplianceFinding[] {
  const { erasure } = profile
  if (erasure === null) return []
  const rows = database
    .prepare('SELECT idx, subject FROM audit_contents WHERE action = ? AND at < ? ORDER BY idx')
    .all(ERASURE_REQUESTED, now - erasure.withinDays * DAY_MS) as { idx: number; subject: string }[]
  const overdue = rows.filter(
    ({ idx, subject }) => !isHeld(database, subject) && log.content(idx) !== 'erased',
  )
  if (overdue.length === 0) return []
  const text = `asked for and not erased within ${erasure.withinDays} days`
  return [
    finding(
      'compliance/erasure-overdue',
      'erasure',
      overdue.map(({ idx }) => idx),
      text,
    ),
  ]
}
