import { type Clock, encode, errorText, type Logger, type Mesh, type Random, type Timers } from '@askee/core'
import type { Executor } from '@askee/sandbox'
import { isFromFuture, isPast, type SignedManifest, verifyManifest } from '../protocol/manifest.ts'
import type { Offer } from '../protocol/messages.ts'
import { PROTOCOLS } from '../protocol/names.ts'
import type { ConsentBandwidth } from './consent-bandwidth.ts'
import type { ConsentDoor } from './consent-door.ts'
import type { WorkerEffect, WorkerEvent } from './events.ts'
import type { WorkerInit } from './init.ts'

export interface OfferingComponents {
  readonly mesh: Mesh
  readonly clock: Clock
  readonly timers: Timers
  readonly random: Random
  readonly logger: Logger
  readonly executor: Executor
  readonly consents: ConsentDoor
  readonly bandwidth: ConsentBandwidth
  /** Feeds the worker's machine. */
  readonly step: (event: WorkerEvent) => readonly WorkerEffect[]
  /** An offer is about to be made to this requester. */
  readonly onOffer: (requester: SignedManifest['manifest']['requester']) => void
  readonly stopping: () => AbortSignal
}

type OfferingInit = Pick<
  Required<WorkerInit>,
  'slots' | 'queue' | 'share' | 'memoryBytes' | 'offerJitter' | 'requestTimeout'
>

/** An offer without its token, and its answer. */
const OFFER_BYTES = 1024

/** Hears of campaigns and offers this node to those that a consent covers. */
export class Offering {
  readonly #components: OfferingComponents
  readonly #init: OfferingInit

  constructor(components: OfferingComponents, init: OfferingInit) {
    this.#components = components
    this.#init = init
  }

  /** @param body an announcement as it came */
  hear(body: Uint8Array): void {
    const { mesh, clock, consents, logger, step } = this.#components
    let signed: SignedManifest
    try {
      signed = verifyManifest(body)
    } catch (error) {
      logger.debug({ error: errorText(error) }, 'a campaign announcement was not understood')
      return
    }
    const { manifest, id: campaign } = signed
    const now = clock.now()
    if (manifest.requester === mesh.self || isPast(manifest, now) || isFromFuture(manifest, now)) return
    const covering = consents.covering(manifest)
    const effects = step({
      type: 'announced',
      now,
      campaign,
      requester: manifest.requester,
      deadline: manifest.deadline,
      consent: covering?.claims.id ?? null,
      capable: manifest.resources.memoryBytes <= this.#init.memoryBytes ? 'capable' : 'incapable',
    })
    if (effects.some((effect) => effect.type === 'offer')) {
      void this.#offer(signed)
    }
  }

  async #offer({ id: campaign, manifest }: SignedManifest): Promise<void> {
    const { mesh, timers, random, executor, consents, bandwidth, logger, onOffer, stopping } =
      this.#components
    const { slots, memoryBytes, offerJitter, requestTimeout: timeout } = this.#init
    const queue = Math.max(1, Math.floor(this.#init.queue * this.#init.share))
    const signal = stopping()
    onOffer(manifest.requester)
    try {
      await timers.sleep(random.below(Math.max(1, offerJitter)), signal)
      const waiting = consents.covering(manifest)
      if (waiting === undefined) return
      const { id } = waiting.claims
      const bytes = OFFER_BYTES + waiting.token.length
      await bandwidth.take(id, bytes, 'message', { signal, within: timeout })
      // CON-1: the consent may have ended meanwhile, and then nothing is sent, itself least of all.
      const covering = consents.covering(manifest)
      if (covering === undefined) return
      const { engine, tier } = executor.describe()
      const capabilities = { engine, tier, slots, queue, memoryBytes }
      const offer: Offer = { v: 1, campaign, token: covering.token, capabilities }
      await mesh.request(manifest.requester, PROTOCOLS.offer, encode(offer), { timeout, signal })
    } catch (error) {
      // The next announcement is the next chance.
      logger.debug({ campaign, error: errorText(error) }, 'the offer was not taken')
    }
  }
}
