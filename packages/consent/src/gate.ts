import type { NodeId } from '@askee/core'
import type { ConsentClaims, TaskKind } from './token.ts'

/** What somebody wants to do under a consent. */
export interface ConsentQuestion {
  readonly requester: NodeId
  readonly kind: TaskKind
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

/** The door: asked before anything is offered, accepted or started. */
export interface ConsentGate {
  /** A live consent that covers the question, or undefined. */
  covering(question: ConsentQuestion): CoveringConsent | undefined
  /**
   * Checks that this very consent is still live and covers the question.
   * @throws AskeeError with a ConsentErrorCode
   */
  check(consentId: string, question: ConsentQuestion): void
}

/** Checks a token that a stranger sent, as the requester does with every offer. */
export type TokenVerifier = (
  token: string,
  expected: { subject: NodeId; audience: NodeId },
) => Promise<ConsentClaims>
