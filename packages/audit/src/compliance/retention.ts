import { createHash } from 'node:crypto'
import { AskeeError, type AuditReceipt, type Clock, encode, toHex } from '@askee/core'
import { type Database, purge, type Vault } from '@askee/store'
import type { AuditLog } from '../log.ts'
import { subjectTag } from '../subject.ts'
import { ERASURE_REQUESTED } from './check.ts'
import { contentsDue } from './due.ts'
import { checkNotHeld, endHold, isHeld, putHold } from './holds.ts'
import type { ComplianceProfile, Region } from './profile.ts'

/** Whose data the acts of retention are when they name nobody. */
const SUBJECT = 'audit-retention'
/** Contents purged under one act. */
const MAX_PURGED_AT_ONCE = 10_000
const MAX_REASON = 200

export interface RetentionComponents {
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
  /** SHA-256 over the canonical encoding of all their positions; the act holds it as well. */
  readonly digest: string
  readonly receipt: AuditReceipt
}

/** What is held how long, and what is forgotten (AUD-2). */
export interface Retention {
  /**
   * Deletes the contents that a profile does not let stay, but those under legal hold. Entries and hashes stay: the tree is
   * whole, and its act proves what went. The act is on disk before anything goes.
   */
  purge(profile: ComplianceProfile, region: Region): Promise<Purged[]>
  /** From now on nothing about the subject is purged or forgotten. @throws AskeeError `audit/reason` */
  hold(subject: string, reason: string): Promise<AuditReceipt>
  /** @throws AskeeError `audit/not-held`, `audit/reason` */
  release(subject: string, reason: string): Promise<AuditReceipt>
  /**
   * Destroys the key of all that was written about a subject, in every copy.
   * @returns how many contents nobody can read any more
   * @throws AskeeError `audit/legal-hold`; that it was asked stands in the log then as well
   */
  erase(subject: string, reason: string): Promise<{ contents: number; receipt: AuditReceipt }>
}

/** @param init.subjectKey the log's own */
export function createRetention(
  components: RetentionComponents,
  { subjectKey }: { subjectKey: Uint8Array },
): Retention {
  const { log, database, clock } = components
  const tagOf = (subject: string): string => subjectTag(subjectKey, subject)

  return {
    async purge(profile, region) {
      const purged: Purged[] = []
      for (const { rule, indices } of contentsDue(components, profile, clock.now(), region)) {
        for (let start = 0; start < indices.length; start += MAX_PURGED_AT_ONCE) {
          const batch = indices.slice(start, start + MAX_PURGED_AT_ONCE)
          purged.push(await purgeBatch(components, `${profile.id}/${rule.name}`, batch))
        }
      }
      return purged
    },
    async hold(subject, reason) {
      checkReason(reason)
      const receipt = await log.append({
        action: 'audit.held',
        subject,
        outcome: 'done',
        content: { reason },
      })
      putHold(database, tagOf(subject), receipt.index)
      return receipt
    },
    async release(subject, reason) {
      checkReason(reason)
      if (!isHeld(database, tagOf(subject))) {
        throw new AskeeError('audit/not-held', 'there is no legal hold on this subject')
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
      const outcome = isHeld(database, tagOf(subject)) ? 'refused' : 'done'
      await log.append({ action: ERASURE_REQUESTED, subject, outcome, content: { reason } })
      checkNotHeld(database, tagOf(subject))
      const contents = log.about(subject).length
      log.forget(subject)
      // Names nobody: how many, and that it was done.
      const content = { contents }
      return {
        contents,
        receipt: await log.append({ action: 'audit.erased', subject: SUBJECT, outcome: 'done', content }),
      }
    },
  }
}

async function purgeBatch(
  { log, database, vault, clock }: RetentionComponents,
  rule: string,
  indices: readonly number[],
): Promise<Purged> {
  const digest = toHex(new Uint8Array(createHash('sha256').update(encode(indices)).digest()))
  const said = {
    rule,
    count: indices.length,
    first: indices[0] as number,
    last: indices.at(-1) as number,
    digest,
  }
  const receipt = await log.append({
    action: 'audit.purged',
    subject: SUBJECT,
    outcome: 'done',
    content: said,
  })
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
    // The act before said that they went; this one says that they did not.
    await log.append({ action: 'audit.purged', subject: SUBJECT, outcome: 'failed', content: said })
    throw error
  }
  const left = database.prepare('SELECT 1 FROM audit_contents WHERE subject = ?')
  // Whoever has nothing here any more needs no key: copies elsewhere become unreadable with it.
  for (const tag of tags) if (left.get(tag) === undefined) vault.erase(tag)
  database.pragma('wal_checkpoint(TRUNCATE)')
  return { ...said, receipt }
}

function checkReason(reason: string): void {
  if (reason.length > 0 && reason.length <= MAX_REASON) return
  throw new AskeeError('audit/reason', `expected a reason of 1 to ${MAX_REASON} characters`)
}
