import type { Timestamp } from '@askee/core'
import type { Database } from '@askee/store'
import { parseEntry } from '../entry.ts'
import type { AuditLog } from '../log.ts'
import { createTurns, type TurnComponents, type Turns } from '../turns.ts'
import { contentsDue, DAY_MS } from './due.ts'
import { missingHolds } from './holds.ts'
import { contentsOf, entriesOf, isErased } from './pages.ts'
import { type ComplianceProfile, type Region, ruleFor } from './profile.ts'

/** Something in a log that a rule does not allow. */
export interface ComplianceFinding {
  readonly code:
    | 'compliance/kept-too-long'
    | 'compliance/gone-too-early'
    | 'compliance/evidence-missing'
    | 'compliance/erasure-overdue'
    | 'compliance/hold-missing'
  /** Name of the rule. */
  readonly rule: string
  /** Entries concerned: how many, the first and the last; 0 and null where it is about what is not there. */
  readonly count: number
  readonly first: number | null
  readonly last: number | null
  readonly text: string
}

export interface CheckedLog extends TurnComponents {
  readonly log: AuditLog
  readonly database: Database
}

/** An act of a person who asks to be forgotten; it is sealed for that person, so erasing answers it. */
export const ERASURE_REQUESTED = 'erasure.requested'

interface Checked {
  readonly log: AuditLog
  readonly database: Database
  readonly turns: Turns
}

/**
 * What in the log is against the rules at `now`. Reads every content that a rule may concern, some 30 µs each, in pages with
 * turns of the event loop between them, and holds none of it.
 * @param region of acts that do not say one themselves
 */
export async function checkCompliance(
  checked: CheckedLog,
  profile: ComplianceProfile,
  { now, region }: { now: Timestamp; region: Region },
): Promise<ComplianceFinding[]> {
  const parts = { ...checked, turns: createTurns(checked) }
  const found = [
    ...(await keptTooLong(parts, profile, now, region)),
    ...(await goneTooEarly(parts, profile, now, region)),
  ]
  for (const rule of profile.evidence) found.push(...(await missingEvidence(parts, rule, now)))
  return [...found, ...(await overdueErasures(parts, profile, now)), ...(await holdsTakenAway(parts))]
}

/** Legal holds that the log says and nobody released, and that are not in force. */
async function holdsTakenAway(parts: Checked): Promise<ComplianceFinding[]> {
  const tally = new Tally()
  for (const { index } of await missingHolds(parts)) tally.add(index)
  const text =
    'legal holds that nobody released are not in force: put them again (askee audit hold), and release each that is missing by its number'
  return tally.count === 0 ? [] : [finding('compliance/hold-missing', 'legal-hold', tally, text)]
}

/** How many entries a rule concerns, the first and the last of them. */
class Tally {
  count = 0
  first: number | null = null
  last: number | null = null

  add(index: number): void {
    this.first ??= index
    this.last = index
    this.count++
  }
}

class Tallies extends Map<string, Tally> {
  of(rule: string): Tally {
    const tally = this.get(rule) ?? new Tally()
    this.set(rule, tally)
    return tally
  }
}

function finding(
  code: ComplianceFinding['code'],
  rule: string,
  { count, first, last }: Tally,
  text: string,
): ComplianceFinding {
  return { code, rule, count, first, last, text }
}

async function keptTooLong(
  parts: Checked,
  profile: ComplianceProfile,
  now: Timestamp,
  region: Region,
): Promise<ComplianceFinding[]> {
  const late = new Tallies()
  for await (const { rule, index } of contentsDue(parts, profile, now, region)) late.of(rule.name).add(index)
  return [...late].map(([name, tally]) => {
    const days = profile.retention.find((rule) => rule.name === name)?.mostDays
    return finding('compliance/kept-too-long', name, tally, `held for more than ${days} days`)
  })
}

/** Purged, or erased although nobody may ask for that, before the least time is over. */
async function goneTooEarly(
  { log, database, turns }: Checked,
  profile: ComplianceProfile,
  now: Timestamp,
  region: Region,
): Promise<ComplianceFinding[]> {
  const early = new Tallies()
  for await (const { idx, entry: bytes, subject } of entriesOf(database, turns)) {
    const { at, action } = parseEntry(Uint8Array.from(bytes))
    const rule = ruleFor(profile, action, region)
    if (rule === undefined || at <= now - rule.leastDays * DAY_MS) continue
    if (subject !== null && profile.erasure !== null) continue
    await turns.spend(1)
    if (subject !== null && !isErased(log, idx)) continue
    early.of(rule.name).add(idx)
  }
  return [...early].map(([name, tally]) => {
    const days = profile.retention.find((rule) => rule.name === name)?.leastDays
    return finding('compliance/gone-too-early', name, tally, `gone before ${days} days were over`)
  })
}

async function missingEvidence(
  parts: Checked,
  rule: ComplianceProfile['evidence'][number],
  now: Timestamp,
): Promise<ComplianceFinding[]> {
  const { log, database } = parts
  const missing = (tally: Tally, text: string) =>
    finding('compliance/evidence-missing', rule.name, tally, text)
  if (rule.kind === 'before') {
    const tally = await unprepared(parts, rule)
    return tally.count === 0 ? [] : [missing(tally, `${rule.act} without ${rule.needs} before it`)]
  }
  const since = now - rule.days * DAY_MS
  if (log.size() === 0) return []
  if (rule.kind === 'every') {
    const done = database
      .prepare('SELECT 1 FROM audit_contents WHERE action = ? AND at >= ? LIMIT 1')
      .get(rule.act, since)
    const young = parseEntry(log.prove(0).entry).at >= since
    return young || done !== undefined
      ? []
      : [missing(new Tally(), `no ${rule.act} in the last ${rule.days} days`)]
  }
  const old = await notCosigned(parts, since)
  return old.count === 0 ? [] : [missing(old, `older than ${rule.days} days and cosigned by nobody`)]
}

/** Acts without what must come before them. */
async function unprepared(
  { database, turns }: Checked,
  { act, needs }: { act: string; needs: string },
): Promise<Tally> {
  const before = database.prepare(
    'SELECT 1 FROM audit_contents WHERE action = ? AND subject = ? AND idx < ? LIMIT 1',
  )
  const tally = new Tally()
  for await (const { idx, action, subject } of contentsOf(database, turns)) {
    if (action !== act) continue
    await turns.spend(1)
    if (before.get(needs, subject, idx) === undefined) tally.add(idx)
  }
  return tally
}

/** Entries of before `since` that stand below no cosigned checkpoint. */
async function notCosigned({ database, turns }: Checked, since: Timestamp): Promise<Tally> {
  const covered = database.prepare('SELECT max(size) FROM audit_cosignatures').pluck().get() as number | null
  const tally = new Tally()
  for await (const { idx, entry } of entriesOf(database, turns, covered ?? 0)) {
    if (parseEntry(Uint8Array.from(entry)).at >= since) break
    tally.add(idx)
  }
  return tally
}

/** A request is sealed for whom it is about: one that can still be read was not carried out. */
async function overdueErasures(
  { log, database, turns }: Checked,
  { erasure }: ComplianceProfile,
  now: Timestamp,
): Promise<ComplianceFinding[]> {
  if (erasure === null) return []
  const overdue = new Tally()
  for await (const { idx, action, at, isHeld } of contentsOf(database, turns)) {
    if (action !== ERASURE_REQUESTED || isHeld === 1 || at >= now - erasure.withinDays * DAY_MS) continue
    await turns.spend(1)
    if (!isErased(log, idx)) overdue.add(idx)
  }
  const text = `asked for and not erased within ${erasure.withinDays} days`
  return overdue.count === 0 ? [] : [finding('compliance/erasure-overdue', 'erasure', overdue, text)]
}
