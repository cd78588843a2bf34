import type { NodeId } from '@askee/core'
import type { ConsentPermissions, TaskKind } from './terms.ts'
import type { ConsentClaims } from './token/claims.ts'
import type { VerifiedConsent } from './token/verify.ts'

/** What somebody wants to do under a consent. */
export interface ConsentQuestion {
  readonly requester: NodeId
  readonly kind: TaskKind
  /** As the requester states it, literally one of those that the consent names. Its word: what the work is for, nobody can check. */
  readonly purpose: string
  readonly memoryBytes: number
  readonly durationMs: number
  /** What this node knows of the requester's conduct, 0 to 1; 0 is a stranger. */
  readonly requesterReputation: number
}

/** A consent that covers what was asked. */
export interface CoveringConsent {
  readonly claims: ConsentClaims
  /** The compact JWS, to be shown to the requester. */
  readonly token: string
}

/** The door: asked before anything is offered, accepted, fetched, started, kept or shown, and each second of running. */
export interface ConsentGate {
  /** A live consent that covers the question, or undefined. */
  covering(question: ConsentQuestion): CoveringConsent | undefined
  /**
   * Checks that this very consent is still live and covers the question.
   * @param consentId id of any token of the consent
   * @returns what it allows now: the narrowest of its line
   * @throws AskeeError with a ConsentErrorCode
   */
  check(consentId: string, question: ConsentQuestion): ConsentPermissions
  /** Whether it has ended for ever, by revocation or time: what is kept under it is to go. */
  hasEnded?(consentId: string): boolean
  /** The limits of the whole consent, live or not, by the id of any of its tokens; undefined when it is not held here. */
  limitsOf(consentId: string): ConsentLimits | undefined
}

/** What one consent allows of what adds up over its tasks, as its newest token has it. */
export interface ConsentLimits {
  /** The same for every token of the consent. */
  readonly consent: string
  /** Whom it is for. */
  readonly requester: NodeId
  /** All its tokens: what is kept or sent under any of them counts. */
  readonly tokens: readonly string[]
  /** On disk. */
  readonly storageBytes: number
  /** To and from the requester together, averaged. */
  readonly bytesPerSecond: number
}

/** Tokens under which nothing may be done any more. */
export interface EndedConsents {
  readonly tokens: readonly string[]
  /** `consent/revoked`, `consent/suspended`, `consent/expired`. */
  readonly code: string
}

/** Who runs or keeps anything under a consent hears of its end here, in the same turn, and stops and erases (CON-5). */
export interface ConsentEndings {
  /** The returned function ends it. */
  onEnded(listener: (ended: EndedConsents) => void): () => void
}

/** Where it is written down that a consent was used (CON-7). */
export interface ConsentUses {
  /**
   * A task of the campaign is about to start under the consent. The first of a campaign is on disk when this returns; later
   * ones are counted and written together.
   */
  used(consentId: string, use: { readonly campaign: string; readonly purpose: string }): void
}

/** Checks a token that a stranger showed, as the requester does with every offer: offline, then whether it was revoked. */
export type TokenVerifier = (
  token: string,
  expected: { readonly subject: NodeId; readonly audience: NodeId },
) => Promise<VerifiedConsent>

/** A token that was shown here and is revoked now. */
export interface RevokedToken {
  readonly id: string
  /** The node that showed it. Ids are their issuers' choice: another node's token of the same id is another token. */
  readonly subject: NodeId
}

/** Tokens seen by a verifier that were revoked since, wherever this was learned from. */
export interface RevocationNews {
  onRevoked(listener: (revoked: { readonly tokens: readonly RevokedToken[] }) => void): () => void
}
