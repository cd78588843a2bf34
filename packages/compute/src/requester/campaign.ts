import { type Digest, fromHex, toHex } from '@askee/core'
import type { CoordinatorEvent } from '../coordinator/events.ts'
import { initialLiveness, type LivenessState } from '../coordinator/liveness.ts'
import type { CoordinatorState } from '../coordinator/state.ts'
import type { SignedManifest } from '../protocol/manifest.ts'
import type { JournalEntry } from './journal.ts'

/** What comes with an event and must be on disk with it. */
export type Attachments = Partial<Pick<JournalEntry, 'outputs' | 'documents'>>

export interface PendingEvent {
  readonly event: CoordinatorEvent
  readonly attachments: Attachments
  readonly done: PromiseWithResolvers<void>
}

/** One campaign in the requester's memory. */
export interface Campaign {
  readonly signed: SignedManifest
  readonly submitted: number
  /** Digests of the inputs, in order. */
  readonly inputs: readonly Digest[]
  state: CoordinatorState
  readonly liveness: LivenessState
  pending: PendingEvent[]
  /** Ends what is under way for it. */
  readonly abort: AbortController
  /** Its end is in the journal, folded. */
  folded: boolean
  /** Makes its blocks evictable again. */
  readonly unpin: (() => void)[]
  readonly finished: PromiseWithResolvers<void>
}

export function createCampaign(
  parts: Pick<Campaign, 'signed' | 'submitted' | 'inputs' | 'state'>,
  silence: number,
): Campaign {
  return {
    ...parts,
    liveness: initialLiveness(silence),
    pending: [],
    folded: false,
    abort: new AbortController(),
    unpin: [],
    finished: Promise.withResolvers<void>(),
  }
}

/** The block that lists the inputs: 32 bytes each, in order. */
export function encodeInputList(inputs: readonly Digest[]): Uint8Array {
  return fromHex(inputs.join(''))
}

/** The digests of an input list. */
export function decodeInputList(bytes: Uint8Array): Digest[] {
  const out: Digest[] = []
  for (let at = 0; at < bytes.byteLength; at += 32) out.push(toHex(bytes.subarray(at, at + 32)) as Digest)
  return out
}
