import { AskeeError, type AuditReceipt, type Clock } from '@askee/core'
import { type Database, purge, type Vault } from '@askee/store'
import type { AuditLog } from '../log.ts'
import { ERASED, isCustody, PURGED, REMOVALS_SUBJECT, removalContent } from '../removals/act.ts'
import { formatPositions, MAX_POSITIONS } from '../removals/positions.ts'
import { subjectTag } from '../subject.ts'
import { createTurns, type TurnComponents, type Turns } from '../turns.ts'
import { ERASURE_REQUESTED } from './check.ts'
import { contentsDue } from './due.ts'
import { checkNotHeld, endHold, isHeld, nameHold, putHold, withdrawHold } from './holds.ts'
import type { ComplianceProfile, Region } from './profile.ts'

const MAX_REASON = 200
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

/** What is held how long, and what is forgotten (AUD-2). */
export interface Retention {
  /**
   * Deletes the contents that a profile does not let stay, but those under legal hold. Entries and hashes stay: the tree is
   * whole, and its acts prove what went. They are on disk before anything goes.
   */
  purge(profile: ComplianceProfile, region: Region): Promise<Purged[]>
  /** From now on nothing about the subject is purged or forgotten. @throws AskeeError `audit/reason` */
  hold(subject: string, reason: string): Promise<AuditReceipt>
  /** @throws AskeeError `audit/not-held`, `audit/reason` */
  release(subject: string, reason: string): Promise<AuditReceipt>
  /**
   * Destroys the key of all that was written about a subject, in every copy; the tree stays whole. Acts that say which
   * contents these are, and nothing of whom, are on disk before the key goes.
   * @throws AskeeError `audit/legal-hold`; that it was asked stands in the log then as well. `audit/custody` for the
   * subjects of the log's own acts, `audit/reason`, `store/not-settled`
   */
  erase(subject: string, reason: string): Promise<Erased>
}

/** @param init.subjectKey the log's own */
export function createRetention(
  components: RetentionComponents,
  { subjectKey }: { subjectKey: Uint8Array },
): Retention {
  const { log, database } = components
  const tagOf = (subject: string): string => subjectTag(subjectKey, subject)
  // One removal after the other: an act that cancels one is always about the newest.
  let last: Promise<unknown> = Promise.resolve()
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const done = last.then(work)
    last = done.catch(() => undefined)
    return done
  }

  return {
    purge: (profile, region) => inTurn(() => purgeAll(components, profile, region)),
    async hold(subject, reason) {
      checkReason(reason)
      const tag = tagOf(subject)
      putHold(database, tag)
      try {
        const receipt = await log.append({
          action: 'audit.held',
          subject,
          outcome: 'done',
          content: { reason },
        })
        nameHold(database, tag, receipt.index)
        return receipt
      } catch (error) {
        withdrawHold(database, tag)
        throw error
      }
    },
    async release(subject, reason) {
      checkReason(reason)
      if (!isHeld(database, tagOf(subject))) {
        throw new AskeeError(
          'audit/not-held',
          'there is no legal hold on this subject: nothing was released. Hold and release take the same whole id.',
        )
      }
      const receipt = await log.append({
        action: 'audit.released',
        subject,
        outcome: 'done',
        content: { reason },
      })
      endHold(database, tagOf(subject))
      return receipt
    },
    async erase(subject, reason) {
      checkReason(reason)
      if (isCustody(subject)) {
        throw new AskeeError(
          'audit/custody',
          `${subject} is no person but the log's own record of what was removed, exported or verified: it stays. Nothing was erased.`,
        )
      }
      return inTurn(() => erase(components, tagOf(subject), { subject, reason }))
    },
  }
}

async function purgeAll(
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

async function purgeBatch(
  { log, database, vault, clock, turns }: RetentionComponents & { turns: Turns },
  rule: string,
  indices: readonly number[],
): Promise<Purged> {
  const content = removalContent({ rule }, indices)
  const receipt = await log.append({ action: PURGED, subject: REMOVALS_SUBJECT, outcome: 'done', content })
  const list = JSON.stringify(indices)
  // Asked again in the same statement: a hold that came with the act still holds.
  const among = `idx IN (SELECT value FROM json_each(?)) AND subject NOT IN (SELECT subject FROM audit_holds)`
  const tags = database
    .prepare(`SELECT DISTINCT subject FROM audit_contents WHERE ${among}`)
    .pluck()
    .all(list) as string[]
  try {
    purge(database, {
      table: 'audit_contents',
      where: among,
      parameters: [list],
      reason: `${rule}, entry ${receipt.index}`,
      at: clock.now(),
    })
  } catch (error) {
    await cancel(log, PURGED, receipt)
    throw error
  }
  const left = database.prepare('SELECT 1 FROM audit_contents WHERE subject = ?')
  for (const tag of tags) {
    await turns.spend(ERASE_UNITS)
    // Whoever has nothing here any more needs no key: copies elsewhere become unreadable with it.
    if (left.get(tag) === undefined) vault.erase(tag)
  }
  database.pragma('wal_checkpoint(TRUNCATE)')
  return {
    rule,
    count: indices.length,
    first: indices[0] as number,
    last: indices.at(-1) as number,
    positions: formatPositions(indices),
    receipt,
  }
}

async function erase(
  { log, database, vault }: RetentionComponents,
  tag: string,
  { subject, reason }: { subject: string; reason: string },
): Promise<Erased> {
  const outcome = isHeld(database, tag) ? 'refused' : 'done'
  const request = await log.append({ action: ERASURE_REQUESTED, subject, outcome, content: { reason } })
  checkNotHeld(database, tag)
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
async function cancel(log: AuditLog, action: typeof PURGED | typeof ERASED, first: AuditReceipt) {
  await log.append({
    action,
    subject: REMOVALS_SUBJECT,
    outcome: 'failed',
    content: { cancels: first.index },
  })
}

function checkReason(reason: string): void {
  if (reason.length > 0 && reason.length <= MAX_REASON) return
  throw new AskeeError(
    'audit/reason',
    `expected a reason of 1 to ${MAX_REASON} characters, received ${reason.length}: nothing was done`,
  )
}
