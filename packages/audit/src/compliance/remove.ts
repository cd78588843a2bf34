import type { AuditReceipt, Clock } from '@askee/core'
import { type Database, purge, type Vault } from '@askee/store'
import type { AuditLog } from '../log.ts'
import { ERASED, PURGED, REMOVALS_SUBJECT, removalContent } from '../removals/act.ts'
import { formatPositions, MAX_POSITIONS } from '../removals/positions.ts'
import { HELD_SUBJECTS } from '../schema.ts'
import { createTurns, type TurnComponents, type Turns } from '../turns.ts'
import { ERASURE_REQUESTED } from './check.ts'
import { contentsDue } from './due.ts'
import { checkNotHeld, isHeld } from './holds.ts'
import type { ComplianceProfile, Region } from './profile.ts'

/** A key destroyed is synchronised to disk: nothing else in that turn. */
const ERASE_UNITS = 1_000

export interface RetentionComponents extends TurnComponents {
  readonly log: AuditLog
  /** The log's own database. */
  readonly database: Database
  /** The log's own vault. */
  readonly vault: Vault
  readonly clock: Clock
}

/** Contents that went, and the act of the log that says which. */
export interface Purged {
  readonly rule: string
  readonly count: number
  readonly first: number
  readonly last: number
  /** All of them, `1-4,9`; the act holds it as well. */
  readonly positions: string
  readonly receipt: AuditReceipt
}

/** Contents that nobody can read any more. */
export interface Erased {
  readonly contents: number
  /** The last act that says which. */
  readonly receipt: AuditReceipt
}

/** `Retention.purge`. */
export async function purgeAll(
  components: RetentionComponents,
  profile: ComplianceProfile,
  region: Region,
): Promise<Purged[]> {
  const turns = createTurns(components)
  const parts = { ...components, turns }
  const purged: Purged[] = []
  const waiting = new Map<string, number[]>()
  const flush = async (rule: string, indices: readonly number[]): Promise<void> => {
    waiting.delete(rule)
    purged.push(await purgeBatch(parts, `${profile.id}/${rule}`, indices))
  }
  for await (const { rule, index } of contentsDue(parts, profile, components.clock.now(), region)) {
    const indices = waiting.get(rule.name) ?? []
    waiting.set(rule.name, indices)
    indices.push(index)
    if (indices.length === MAX_POSITIONS) await flush(rule.name, indices)
  }
  for (const [rule, indices] of [...waiting]) await flush(rule, indices)
  return purged
}

type Parts = RetentionComponents & { readonly turns: Turns }

async function purgeBatch(parts: Parts, rule: string, indices: readonly number[]): Promise<Purged> {
  const { log } = parts
  const content = removalContent({ rule }, indices)
  const receipt = await log.append({ action: PURGED, subject: REMOVALS_SUBJECT, outcome: 'done', content })
  await deleteContents(parts, rule, indices, receipt)
  return {
    rule,
    count: indices.length,
    first: indices[0] as number,
    last: indices.at(-1) as number,
    positions: formatPositions(indices),
    receipt,
  }
}

/** Deletes contents. @param act says that they go */
export async function deleteContents(
  { log, database, vault, clock, turns }: Parts,
  rule: string,
  indices: readonly number[],
  act: Pick<AuditReceipt, 'index'>,
): Promise<void> {
  const list = JSON.stringify(indices)
  // Asked again in the same statement: a hold that came with the act still holds.
  const among = `idx IN (SELECT value FROM json_each(?)) AND subject NOT IN (${HELD_SUBJECTS})`
  const tags = database
    .prepare(`SELECT DISTINCT subject FROM audit_contents WHERE ${among}`)
    .pluck()
    .all(list) as string[]
  try {
    purge(database, {
      table: 'audit_contents',
      where: among,
      parameters: [list],
      reason: `${rule}, entry ${act.index}`,
      at: clock.now(),
    })
  } catch (error) {
    await cancel(log, PURGED, act)
    throw error
  }
  const left = database.prepare('SELECT 1 FROM audit_contents WHERE subject = ?')
  for (const tag of tags) {
    await turns.spend(ERASE_UNITS)
    // Whoever has nothing here any more needs no key: copies elsewhere become unreadable with it.
    if (left.get(tag) === undefined) vault.erase(tag)
  }
  database.pragma('wal_checkpoint(TRUNCATE)')
}

/** `Retention.erase`. */
export async function erase(
  components: RetentionComponents,
  tag: string,
  { subject, reason }: { subject: string; reason: string },
): Promise<Erased> {
  const { log, database } = components
  const outcome = isHeld(database, tag) ? 'refused' : 'done'
  const request = await log.append({ action: ERASURE_REQUESTED, subject, outcome, content: { reason } })
  checkNotHeld(database, tag)
  return destroy(components, tag, request)
}

/** Says which contents go, and destroys their key. @param request the act that says that it was asked for */
export async function destroy(
  { log, database, vault }: RetentionComponents,
  tag: string,
  request: AuditReceipt,
): Promise<Erased> {
  const page = database
    .prepare(
      `SELECT idx FROM audit_contents WHERE subject = ? AND idx > ? ORDER BY idx LIMIT ${MAX_POSITIONS}`,
    )
    .pluck()
  let contents = 0
  let said = -1
  let first: AuditReceipt | undefined
  let receipt = request
  // What is written about the subject in the meantime goes with the rest, and is said as well.
  for (;;) {
    const indices = page.all(tag, said) as number[]
    if (indices.length === 0) break
    // Names nobody: which entries, and that it was done.
    const content = removalContent({ request: request.index }, indices)
    receipt = await log.append({ action: ERASED, subject: REMOVALS_SUBJECT, outcome: 'done', content })
    first ??= receipt
    contents += indices.length
    said = indices.at(-1) as number
  }
  try {
    // Asked again: a hold that came with the acts still holds.
    checkNotHeld(database, tag)
    vault.erase(tag)
  } catch (error) {
    if (first !== undefined && vault.has(tag)) await cancel(log, ERASED, first)
    throw error
  }
  return { contents, receipt }
}

/** The acts before said that contents went; this one says that they did not. */
async function cancel(
  log: AuditLog,
  action: typeof PURGED | typeof ERASED,
  first: Pick<AuditReceipt, 'index'>,
): Promise<void> {
  await log.append({
    action,
    subject: REMOVALS_SUBJECT,
    outcome: 'failed',
    content: { cancels: first.index },
  })
}
