import type { ConsentGate } from '@askee/consent'
import { errorCode, type LeaseId, type NodeId } from '@askee/core'
import type { Manifest, SignedManifest } from '../protocol/manifest.ts'
import type { ConsentBandwidth } from './consent-bandwidth.ts'
import type { ConsentStorage } from './consent-storage.ts'
import { questionOf } from './gated-work.ts'
import type { WorkerLease } from './state.ts'

/** Leases under one consent that has ended, and the code of why. */
export interface EndedConsent {
  readonly leases: readonly LeaseId[]
  readonly code: string
}

/** What holds a consent to its disk and its line. */
export interface ConsentDoorLimits {
  readonly storage?: ConsentStorage
  readonly bandwidth?: ConsentBandwidth
}

/** The consents of this machine's owner as the worker's doors ask them (CON-1). */
export class ConsentDoor {
  readonly #consents: ConsentGate
  readonly #reputation: (requester: NodeId) => number
  readonly #limits: ConsentDoorLimits

  constructor(
    consents: ConsentGate,
    reputation: (requester: NodeId) => number,
    limits: ConsentDoorLimits = {},
  ) {
    this.#consents = consents
    this.#reputation = reputation
    this.#limits = limits
  }

  /** A live consent that covers the campaign's tasks and has room for one, or undefined. */
  covering(manifest: Manifest): ReturnType<ConsentGate['covering']> {
    const covering = this.#consents.covering(questionOf(manifest, this.#reputation))
    if (covering === undefined) return undefined
    const { bandwidth, storage } = this.#limits
    const { id } = covering.claims
    if (bandwidth?.isOpen(id) === false) return undefined
    // Its module has to be kept as well, however small.
    const least = storage?.leastBytes(manifest.resources.outputBytes)
    return least !== undefined && storage !== undefined && storage.room(id) < least ? undefined : covering
  }

  /** Null when the door is open, else the code of the refusal. */
  refusal(manifest: Manifest, consent: string): string | null {
    try {
      this.#consents.check(consent, questionOf(manifest, this.#reputation))
      const { bandwidth, storage } = this.#limits
      if (bandwidth?.isOpen(consent) === false) return 'consent/bandwidth'
      // It may have been narrowed since it was offered.
      const isRoomy = storage?.couldHold(consent, manifest.resources.outputBytes) ?? true
      return isRoomy ? null : 'consent/storage-never'
    } catch (error) {
      return errorCode(error) ?? 'consent/internal'
    }
  }

  /** Those of the leases whose consent has ended. Asked once for all leases of a campaign under the same consent. */
  ended(
    leases: readonly WorkerLease[],
    manifestOf: (lease: LeaseId) => SignedManifest | undefined,
  ): EndedConsent[] {
    const ended: EndedConsent[] = []
    const byQuestion = Map.groupBy(leases, ({ campaign, consent }) => `${campaign}/${consent}`)
    for (const own of byQuestion.values()) {
      const first = own[0] as WorkerLease
      const signed = manifestOf(first.id)
      const code = signed === undefined ? null : this.refusal(signed.manifest, first.consent)
      if (code !== null) ended.push({ leases: own.map(({ id }) => id), code })
    }
    return ended
  }
}
