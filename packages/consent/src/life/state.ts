import type { Timestamp } from '@askee/core'
import type { ConsentTerms } from '../terms.ts'

/** What was asked, by the digest of the manifest that asks it. */
export interface Asked {
  readonly manifest: string
  readonly terms: ConsentTerms
  /** A grant must come before. */
  readonly until: Timestamp
}

/** What was shown to a person: the terms as narrowed, and the SHA-256 of the very text. */
export interface Shown {
  readonly terms: ConsentTerms
  readonly textDigest: string
}

/** What a person gave, by its tokens. */
export interface Given extends Shown {
  readonly manifest: string
  /** Ids of the tokens, newest first: each renewal adds one. */
  readonly tokens: readonly string[]
  /** When the newest token ends. */
  readonly expires: Timestamp
}

/** One consent from the first question to its end. JSON data, as it is kept. */
export type ConsentState =
  | { readonly phase: 'unknown' }
  | { readonly phase: 'invited'; readonly asked: Asked }
  | { readonly phase: 'reviewed'; readonly asked: Asked; readonly shown: Shown }
  | { readonly phase: 'granted'; readonly given: Given }
  | { readonly phase: 'renewed'; readonly given: Given }
  | { readonly phase: 'suspended'; readonly given: Given; readonly before: 'granted' | 'renewed' }
  | { readonly phase: 'revoked'; readonly given: Given; readonly at: Timestamp }
  /** Of an invitation nobody answered, `given` is null. */
  | { readonly phase: 'expired'; readonly given: Given | null; readonly at: Timestamp }
  /** By a person, for good; `crowded`: by the machine, because there were too many, and it may be asked again. */
  | { readonly phase: 'refused'; readonly at: Timestamp; readonly crowded?: true }

export type ConsentPhase = ConsentState['phase']

/** What happens to a consent. Names are the actions of the specification. */
export type ConsentAction =
  /** Somebody asks. */
  | { readonly type: 'Invite'; readonly now: Timestamp; readonly asked: Asked }
  /** A person is shown the terms, perhaps narrowed. */
  | { readonly type: 'Review'; readonly now: Timestamp; readonly shown: Shown }
  /** The person agrees to the text with this digest; `token` is the token's id. */
  | {
      readonly type: 'Grant'
      readonly now: Timestamp
      readonly textDigest: string
      readonly token: string
      readonly expires: Timestamp
    }
  | { readonly type: 'Refuse'; readonly now: Timestamp; readonly crowded?: true }
  | {
      readonly type: 'Renew'
      readonly now: Timestamp
      readonly terms: ConsentTerms
      readonly token: string
      readonly expires: Timestamp
    }
  | { readonly type: 'Suspend'; readonly now: Timestamp }
  | { readonly type: 'Resume'; readonly now: Timestamp }
  | { readonly type: 'Revoke'; readonly now: Timestamp }
  /** Looks whether time has ended it. */
  | { readonly type: 'Expire'; readonly now: Timestamp }

export type ConsentEffect =
  /** The action is not possible from here; nothing has changed. */
  | { readonly type: 'reject'; readonly code: RejectionCode; readonly text: string }
  /** The door opens to work under the newest token. */
  | { readonly type: 'open' }
  /** It closes: nothing under these tokens is accepted, started, stored or shown from now on. */
  | { readonly type: 'close'; readonly tokens: readonly string[]; readonly code: ClosingCode }
  /** What runs under these tokens is killed. */
  | { readonly type: 'kill'; readonly tokens: readonly string[]; readonly code: ClosingCode }
  /** What is kept under these tokens is erased. */
  | { readonly type: 'erase'; readonly tokens: readonly string[] }
  /** The mesh is told that these tokens are revoked. */
  | { readonly type: 'tell'; readonly tokens: readonly string[] }
  /** The status list says so. */
  | { readonly type: 'mark'; readonly status: 'valid' | 'invalid' | 'suspended' }
  /** It is written into the history. */
  | { readonly type: 'record'; readonly act: ConsentAct }

export type ClosingCode = 'consent/revoked' | 'consent/suspended' | 'consent/expired'
export type RejectionCode =
  | 'consent/phase'
  | 'consent/text'
  | 'consent/unreviewed'
  | 'consent/widened'
  | 'consent/expired'
  | 'consent/renewals'
  | 'consent/limits'

/** Acts that the history knows (CON-7). */
export type ConsentAct =
  | 'invited'
  | 'reviewed'
  | 'granted'
  | 'refused'
  | 'renewed'
  | 'suspended'
  | 'resumed'
  | 'revoked'
  | 'expired'
