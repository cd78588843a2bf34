import { AskeeError, type AuditEvent, type AuditReceipt } from '@askee/core'
import { isCustody } from '../removals/act.ts'
import { subjectTags } from '../subject.ts'
import { createTurns } from '../turns.ts'
import { checkHeld, endHold, nameHold, putHold, withdrawHold } from './holds.ts'
import type { ComplianceProfile, Region } from './profile.ts'
import { type Erased, erase, type Purged, purgeAll, type RetentionComponents } from './remove.ts'
import { resume } from './resume.ts'

export type { Erased, Purged, RetentionComponents } from './remove.ts'

const MAX_REASON = 200

/** A legal hold. */
export interface Held {
  /** Its number, by which it is released. */
  readonly hold: number
  readonly receipt: AuditReceipt
}

/** What is held how long, and what is forgotten (AUD-2). */
export interface Retention {
  /**
   * Deletes the contents that a profile does not let stay, but those under legal hold. Entries and hashes stay: the tree is
   * whole, and its acts prove what went. They are on disk before anything goes.
   */
  purge(profile: ComplianceProfile, region: Region): Promise<Purged[]>
  /**
   * From now on nothing about the subject is purged or forgotten. Holds add up: each ends by its own number, and no sooner.
   * @throws AskeeError `audit/reason`
   */
  hold(subject: string, reason: string): Promise<Held>
  /**
   * Ends one hold, by its number; the others go on.
   * @throws AskeeError `audit/not-held`, `audit/reason`
   */
  release(subject: string, hold: number, reason: string): Promise<AuditReceipt>
  /**
   * Destroys the key of all that was written about a subject, in every copy; the tree stays whole. Acts that say which
   * contents these are, and nothing of whom, are on disk before the key goes.
   * @throws AskeeError `audit/legal-hold`; that it was asked stands in the log then as well. `audit/custody` for the
   * subjects of the log's own acts, `audit/reason`, `store/not-settled`
   */
  erase(subject: string, reason: string): Promise<Erased>
  /**
   * Ends the newest removal when a crash came between its act and the deed: at the start. Where that fails, for the disk for
   * instance, `purge` and `erase` try it again before anything else is removed.
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
  const tagOf = subjectTags(subjectKey)
  // One removal after the other: an act that cancels one is always about the newest.
  let last: Promise<unknown> = Promise.resolve()
  /** Only the newest removal can be ended or cancelled: before another one begins, it is. */
  let isEnded = false
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const done = last.then(work)
    last = done.catch(() => {
      isEnded = false
    })
    return done
  }
  const end = async (): Promise<boolean> => {
    if (isEnded) return false
    const wasOpen = await resume(components)
    isEnded = true
    return wasOpen
  }
  const remove = <T>(work: () => Promise<T>): Promise<T> =>
    inTurn(async () => {
      await end()
      return work()
    })

  const write = (
    action: 'audit.held' | 'audit.released',
    subject: string,
    content: AuditEvent['content'],
  ): Promise<AuditReceipt> => log.append({ action, subject, outcome: 'done', content })

  return {
    purge: (profile, region) => remove(() => purgeAll(components, profile, region)),
    async hold(subject, reason) {
      checkReason(reason)
      const hold = putHold(database, tagOf(subject))
      let receipt: AuditReceipt
      try {
        receipt = await write('audit.held', subject, { reason, hold })
      } catch (error) {
        withdrawHold(database, hold)
        throw error
      }
      nameHold(database, hold, receipt.index)
      return { hold, receipt }
    },
    async release(subject, hold, reason) {
      checkReason(reason)
      await checkHeld({ ...components, turns: createTurns(components) }, tagOf(subject), hold)
      // First: a crash in between holds too much, never too little.
      const receipt = await write('audit.released', subject, { reason, hold })
      endHold(database, hold, receipt.index)
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
      return remove(() => erase(components, tagOf(subject), { subject, reason }))
    },
    resume: () => inTurn(end),
  }
}

function checkReason(reason: string): void {
  if (reason.length > 0 && reason.length <= MAX_REASON) return
  throw new AskeeError(
    'audit/reason',
    `expected a reason of 1 to ${MAX_REASON} characters, received ${reason.length}: nothing was done`,
  )
}
