import type { AuditSink, Clock, Logger, NodeId, Random, Timestamp } from '@askee/core'
import type { Identity } from '@askee/keys'
import type { Database } from '@askee/store'
import type { ConsentEndings, ConsentGate, ConsentUses } from '../gate.ts'
import type { ConsentChoices, TermDifference } from '../meet.ts'
import type { ConsentTerms } from '../terms.ts'
import type { ConsentClaims } from '../token/claims.ts'
import type { ConsentHistory } from './history.ts'
import type { ConsentManifest } from './manifest.ts'
import type { ConsentPhase } from './state.ts'
import type { ProcessorHold } from './text.ts'
import { VolunteerRegistry } from './volunteer-registry.ts'

export interface RegistryComponents {
  /** With `CONSENT_MIGRATIONS`. */
  readonly database: Database
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  /** The owner of this machine: nobody else's grants count. */
  readonly volunteer: Identity
  /** Where every act is written down beside the own history. */
  readonly audit: AuditSink
}

export interface ConsentRegistryInit {
  /** This node. */
  readonly subject: NodeId
}

/** One consent, whatever its phase. */
export interface ConsentEntry {
  /** The id of its first token, and its name for people; renewals keep it. */
  readonly id: string
  readonly phase: ConsentPhase
  /** Work may be done under it now. */
  readonly live: boolean
  readonly manifest: ConsentManifest
  /** What holds: what was granted, or else what was shown, or asked. */
  readonly terms: ConsentTerms
  /** Claims of the newest token, and the token; null before the grant. */
  readonly claims: ConsentClaims | null
  readonly token: string | null
  /** Ids of all its tokens, newest first. */
  readonly tokens: readonly string[]
  /** The certificate that ends it, once there is a token. */
  readonly certificate: string | null
  readonly changed: Timestamp
}

export interface ConsentReview {
  readonly id: string
  /** The exact text to show, and its SHA-256. */
  readonly text: string
  readonly textDigest: string
  readonly terms: ConsentTerms
  /** What would change against the live consent for the same requester, if there is one. */
  readonly differences: readonly TermDifference[] | null
}

/** A consent that was revoked here, as the mesh is told of it. */
export interface OwnRevocation {
  /** Who sent work under it; null when everything was revoked. */
  readonly requester: NodeId | null
  readonly tokens: readonly string[]
  readonly certificate: string
  readonly until: Timestamp
}

/**
 * The consents of this machine's owner, through their whole life. Operations throw AskeeError with a ConsentErrorCode and
 * then have changed nothing.
 */
export interface ConsentRegistry extends ConsentGate, ConsentEndings, ConsentUses {
  /**
   * A requester's manifest came, or one of the owner's own; the same one twice is one invitation.
   * @throws AskeeError `consent/refused` when the owner refused it; a manifest signed anew is another one
   */
  invite(manifest: string): ConsentEntry
  /** The owner writes down what it is ready to give, and to whom: an invitation of its own. */
  propose(requester: NodeId, terms: ConsentTerms): ConsentEntry
  /**
   * Makes the text of an invitation, perhaps narrowed. Only what was reviewed can be granted.
   * @param processor whether tasks are held to their share of a processor here; default: they are not
   */
  review(
    id: string,
    choices: ConsentChoices,
    containment: 'contained' | 'process',
    processor?: ProcessorHold,
  ): ConsentReview
  /** @param shown SHA-256 of the text that the person agreed to */
  grant(id: string, shown: string): ConsentEntry
  /** For good: the same manifest is no invitation any more. */
  refuse(id: string, reason: string): ConsentEntry
  /** The next token, never wider; a consent that is granted anew with other terms is another one. */
  renew(id: string, choices?: ConsentChoices): ConsentEntry
  suspend(id: string, reason: string): ConsentEntry
  resume(id: string): ConsentEntry
  /**
   * When it returns, the door is closed, running work was told to die, and the revocation is on disk.
   * @throws AskeeError `consent/not-written` when the disk did not take it: all else is done, and `sweep` tries again
   */
  revoke(id: string, reason: string): ConsentEntry
  /** Revokes all there is, and every token of the owner that is not known here, by raising the epoch. */
  revokeAll(reason: string): readonly ConsentEntry[]
  /**
   * The owner put this database back in its place: whatever is live in it may have been revoked since, and is suspended;
   * grants from now on have an epoch above every one that was told since. All of it is on disk when it returns.
   * @returns what it suspended
   * @throws AskeeError `consent/not-written` when the disk did not take it: all is suspended, and calling again does the rest
   */
  putBack(reason: string): readonly ConsentEntry[]
  /**
   * Takes a certificate that somebody told. One of this owner revokes here what a database that was put back shows as given;
   * one of others means nothing here.
   * @throws AskeeError with a ConsentErrorCode; `consent/not-written` when it holds and the disk did not take it
   */
  learn(certificate: string): void
  /**
   * Writes the end of a consent down that the disk did not take before; nothing when it did.
   * @throws AskeeError `consent/not-written`
   */
  settle(id: string): void
  /** Looks at what time alone changes, and writes down counted uses. */
  sweep(): void
  list(): readonly ConsentEntry[]
  /** @param id or the beginning of one that is no other's */
  show(id: string): ConsentEntry
  readonly history: ConsentHistory
  /** Hears of revocations when they are on disk, or the disk does not take them. */
  onRevoked(listener: (revocation: OwnRevocation) => void): () => void
  /** Those whose tokens have not ended by themselves: the mesh is told of them until then. */
  revocations(): readonly OwnRevocation[]
  /** The signed status list of this node's consents. */
  statusList(): string
  readonly statusUri: string
}

/** Opens the registry; tokens are verified again whenever they are loaded. */
export function createConsentRegistry(
  components: RegistryComponents,
  init: ConsentRegistryInit,
): ConsentRegistry {
  return new VolunteerRegistry(components, init)
}
