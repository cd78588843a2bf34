import type { Milliseconds, Timestamp } from '@askee/core'
import { refuse } from '../errors.ts'
import type { DataCategory } from '../terms.ts'
import type { ConsentClaims } from '../token/claims.ts'
import type { StatusList } from './status-list.ts'

export type Risk = 'plain' | 'personal'

/**
 * How old the newest evidence may be that a consent was not revoked. Work on personal data stops after minutes without news
 * (fails closed); plain computation may go on for a day, for it can do no more harm than waste some electricity.
 */
export const FRESH_FOR: Readonly<Record<Risk, Milliseconds>> = {
  personal: 5 * 60_000,
  plain: 24 * 3_600_000,
}

/** The risk that the data of a consent carries. */
export function riskOf(data: readonly DataCategory[]): Risk {
  return data.includes('personal') ? 'personal' : 'plain'
}

/** When it was last certain that the token was good: its own signature says so of its beginning, a list of its own time. */
export function lastKnownGood(claims: ConsentClaims, list: StatusList | undefined): Timestamp {
  return Math.max(claims.issuedAt, list?.issuedAt ?? 0)
}

/** Whether newer evidence than this is wanted; asked at half the time, so that a lost answer closes no door. */
export function wantsNews(claims: ConsentClaims, list: StatusList | undefined, now: Timestamp): boolean {
  return now - lastKnownGood(claims, list) > FRESH_FOR[riskOf(claims.data)] / 2
}

/**
 * Judges one token by its status list, if there is one.
 * @throws AskeeError `consent/revoked` | `consent/suspended` | `consent/stale`
 */
export function checkStatus(claims: ConsentClaims, list: StatusList | undefined, now: Timestamp): void {
  const status = list?.at(claims.status.index) ?? 'valid'
  if (status === 'suspended') throw refuse('consent/suspended', 'the consent is suspended for now')
  // A status of a later version of the list is no good one.
  if (status !== 'valid') throw refuse('consent/revoked', 'the consent was revoked')
  const risk = riskOf(claims.data)
  const age = now - lastKnownGood(claims, list)
  if (age > FRESH_FOR[risk]) {
    throw refuse(
      'consent/stale',
      `nothing newer than ${Math.round(age / 1000)} s says that the consent still stands; for ${risk} data ${FRESH_FOR[risk] / 1000} s are allowed`,
    )
  }
}
