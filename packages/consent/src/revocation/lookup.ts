import { type Clock, errorText, type Logger, type Milliseconds, type NodeId } from '@askee/core'
import type { ConsentClaims } from '../token/claims.ts'
import type { VerifiedConsent } from '../token/verify.ts'
import type { RevocationBook } from './book.ts'
import { verifyCertificate } from './certificate.ts'
import { LookedFor, Turns } from './turns.ts'

/** Where certificates are found that nobody told: the mesh's records. */
export interface RevocationSource {
  /** Texts that say they end this token; who asks verifies them. */
  find(token: string, subject: NodeId): Promise<readonly string[]>
}

/** Asks the mesh's records about tokens, for gossip does not reach who was not there when it was said (CON-5). */
export interface RevocationLookup {
  /**
   * Looks once in a while for each token, and takes what is found into the book, which tells those who listen. Never
   * throws. Resolves when the records were asked, or at once when that was lately.
   */
  look(consent: VerifiedConsent): Promise<void>
}

export interface LookupComponents {
  readonly clock: Clock
  readonly book: RevocationBook
  readonly records: RevocationSource
  readonly logger: Logger
}

/** Between two looks for one token: a node that was cut off when it was told learns of it this much later, at its next use. */
export const LOOK_PERIOD_MS: Milliseconds = 5 * 60_000
/** Looks at once; a look is two walks through the records. */
const MAX_UNDER_WAY = 8

type Link = Pick<ConsentClaims, 'id' | 'issuer' | 'subject'>

export function createRevocationLookup({ clock, book, records, logger }: LookupComponents): RevocationLookup {
  const looked = new LookedFor()
  const turns = new Turns(MAX_UNDER_WAY)
  const ask = async ({ id, issuer, subject }: Link): Promise<void> => {
    for (const text of await records.find(id, subject)) {
      // Its owner may put anything there: only what ends this issuer's tokens is an answer, and junk hides no other.
      try {
        if (verifyCertificate(text).issuer !== issuer) continue
        if (book.take(text) === 'new') logger.info({ token: id }, 'a revocation was found that nobody told')
      } catch (error) {
        logger.debug({ token: id, error: errorText(error) }, 'a record of a revocation is none')
      }
    }
  }
  return {
    async look(consent) {
      const now = clock.monotonic()
      const last = looked.at(consent)
      if (last !== undefined && now - last < LOOK_PERIOD_MS) return
      // Who was here before comes before whoever shows a first token: those are free to make up.
      const turn = turns.take(consent.subject, last === undefined ? 'new' : 'known')
      if (turn === undefined) return
      looked.note(consent, now)
      await turn
      try {
        for (const link of [consent, ...consent.ancestors]) {
          // A link that cannot be looked up hides none above it.
          await ask(link).catch((error: unknown) =>
            logger.debug(
              { token: link.id, error: errorText(error) },
              'no record of a revocation could be read',
            ),
          )
        }
      } finally {
        turns.pass()
      }
    },
  }
}
