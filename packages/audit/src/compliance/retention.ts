import { AskeeError, type AuditReceipt } from '@askee/core'
import { isCustody } from '../removals/act.ts'
import { subjectTag } from '../subject.ts'
import { endHold, isHeld, nameHold, putHold, withdrawHold } from './holds.ts'
import type { ComplianceProfile, Region } from './profile.ts'
import { type Erased, erase, type Purged, purgeAll, type RetentionComponents } from './remove.ts'
import { resume } from './resume.ts'

export type { Erased, Purged, RetentionComponents } from './remove.ts'

const MAX_REASON = 200
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
  /**
   * Ends the newest removal when a crash came between its act and the deed: at the start, before anything else is removed.
   * @returns whether there was one
   */
  resume(): Promise<boolean>
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
    resume: () => inTurn(() => resume(components)),
  }
}

function checkReason(reason: string): void {
  if (reason.length > 0 && reason.length <= MAX_REASON) return
  throw new AskeeError(
    'audit/reason',
    `expected a reason of 1 to ${MAX_REASON} characters, received ${reason.length}: nothing was done`,
  )
}
