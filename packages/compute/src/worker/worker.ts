import type { EndedConsents } from '@askee/consent'
import {
  AskeeError,
  type CampaignId,
  type Digest,
  digestOf,
  errorCode,
  errorText,
  type LeaseId,
  type NodeId,
} from '@askee/core'
import type { StorageUse, Worker, WorkerStatus } from '../api.ts'
import { Budget } from '../budget.ts'
import type { Settlement } from '../protocol/documents.ts'
import { isFromFuture, type SignedManifest } from '../protocol/manifest.ts'
import type { Assign, AssignAnswer, RevealAnswer } from '../protocol/messages.ts'
import { CAMPAIGN_TOPIC } from '../protocol/topic.ts'
import type { WorkerComponents } from './components.ts'
import { ConsentBandwidth } from './consent-bandwidth.ts'
import { ConsentDoor } from './consent-door.ts'
import { ConsentStorage } from './consent-storage.ts'
import { openWorkerDoors } from './doors.ts'
import { EndedLeases } from './ended-leases.ts'
import type { WorkerEffect, WorkerEvent } from './events.ts'
import { type ExecutionComponents, execute } from './execution.ts'
import { GatedWork } from './gated-work.ts'
import { Heartbeats } from './heartbeats.ts'
import { Holdings } from './holdings.ts'
import { resolveWorkerInit, type WorkerInit } from './init.ts'
import { type Ledger, openLedger } from './ledger.ts'
import { step } from './machine.ts'
import type { Materials } from './materials.ts'
import { Modules } from './modules.ts'
import { Offering } from './offering.ts'
import { Outboxes } from './outboxes.ts'
import { revealOf } from './reveal.ts'
import { Running } from './running.ts'
import { initialWorker, type WorkerLease, type WorkerState } from './state.ts'
import { statusOf } from './status.ts'

/** Longer a peer that wants a block does not wait for one answer: it asks again, within its own patience. */
const SERVING_WAIT_MS = 15_000

/** Disk is counted where there is one, and notes of what is on it. */
function storageOf({ blocks, holdings, ...others }: WorkerComponents): ConsentStorage | undefined {
  if (blocks === undefined || holdings === undefined) return undefined
  return new ConsentStorage({ ...others, blocks, holdings })
}

/** The volunteer's side of replicated computation. See Worker. */
export function createWorker(components: WorkerComponents, init: WorkerInit = {}): Worker {
  return new VolunteerWorker(components, resolveWorkerInit(init))
}

class VolunteerWorker implements Worker {
  readonly #components: WorkerComponents
  readonly #init: Required<WorkerInit>
  readonly #consents: ConsentDoor
  readonly #bandwidth: ConsentBandwidth
  readonly #storage: ConsentStorage | undefined
  readonly #execution: ExecutionComponents
  readonly #gated: GatedWork
  readonly #modules: Modules
  readonly #holdings = new Holdings()
  readonly #running = new Running()
  readonly #endedLeases = new EndedLeases()
  readonly #outboxes: Outboxes
  readonly #heartbeats: Heartbeats
  readonly #offering: Offering
  /** Requesters that a consent covered. */
  readonly #offeredTo = new Set<NodeId>()
  readonly #cleanup: (() => void)[] = []
  #state: WorkerState
  #abort = new AbortController()
  #ledger: Ledger | null = null

  constructor(components: WorkerComponents, init: Required<WorkerInit>) {
    this.#components = components
    this.#init = init
    const { slots, queue, held, heldBytes, share, leaseSlack, retention, requesterReputation } = init
    this.#state = initialWorker({ slots, queue, held, heldBytes, share, leaseSlack, retention })
    const bandwidth = new ConsentBandwidth(components)
    this.#bandwidth = bandwidth
    const storage = storageOf(components)
    this.#storage = storage
    const limits = { bandwidth, ...(storage === undefined ? {} : { storage }) }
    const { processors } = init
    const gated = new GatedWork({ ...components, ...limits, requesterReputation, slots, processors })
    this.#gated = gated
    const modules = new Modules(gated, init)
    this.#modules = modules
    const stopping = (): AbortSignal => this.#abort.signal
    const consents = new ConsentDoor(components.consents, requesterReputation, limits)
    this.#consents = consents
    this.#execution = { ...components, gated, modules, slots: new Budget(slots) }
    const onDrop = (requester: NodeId, leases: readonly LeaseId[]): void => this.#dropped(requester, leases)
    this.#outboxes = new Outboxes(components, init, onDrop, stopping, bandwidth)
    this.#heartbeats = new Heartbeats(
      { ...components, bandwidth, onDrop, isHeld: (lease) => this.#state.leases.has(lease) },
      init,
    )
    const onOffer = (requester: NodeId): void => void this.#offeredTo.add(requester)
    const parts = {
      ...components,
      consents,
      bandwidth,
      stopping,
      onOffer,
      step: (event: WorkerEvent) => this.#step(event),
    }
    this.#offering = new Offering(parts, init)
  }

  async start(signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted()
    if (this.#cleanup.length > 0) return
    const { mesh, timers } = this.#components
    await this.#storage?.start()
    signal?.throwIfAborted()
    this.#abort = new AbortController()
    this.#ledger = openLedger(this.#init.journal, this.#components.sealing)
    for (const [requester, fuel] of this.#ledger.credit()) this.#state.credit.set(requester, fuel)
    this.#cleanup.push(
      openWorkerDoors(mesh, {
        holdsLeaseOf: (requester) => this.#state.usage.has(requester) || this.#endedLeases.has(requester),
        offeredTo: (requester) => this.#offeredTo.has(requester),
        assign: (from, signed, message) => this.#assigned(from, signed, message),
        reveal: (from, campaign, leases) => this.#reveal(from, campaign, leases),
        settle: (from, settlement, document) => this.#settled(from, settlement, document),
        consentsOf: (from, leases) => [
          ...new Set(this.#leasesOf(from, leases).map(({ consent }) => consent)),
        ],
        came: (from, consent, bytes) => this.#bandwidth.came(from, consent, bytes),
        pace: (from, consent, bytes, signal) => this.#bandwidth.takeOf(from, consent, bytes, signal),
        assertShown: (from, leases) => this.#assertShown(from, leases),
      }),
      mesh.subscribe(CAMPAIGN_TOPIC, ({ body }) => this.#offering.hear(body)),
      timers.every(this.#init.heartbeatPeriod, () => this.#beat()),
    )
    const { endings } = this.#components
    if (endings !== undefined) this.#cleanup.push(endings.onEnded((ended) => this.#ended(ended)))
  }

  async stop(): Promise<void> {
    for (const clean of this.#cleanup.splice(0)) clean()
    this.#abort.abort(new AskeeError('compute/stopped', 'the worker has stopped'))
    this.#holdings.clear(this.#abort.signal.reason)
    this.#outboxes.clear()
    this.#ledger?.close()
    this.#ledger = null
    const { config, credit, completed, failed, refused } = this.#state
    this.#state = { ...initialWorker(config), credit, completed, failed, refused }
  }

  status(): WorkerStatus {
    return statusOf(this.#state)
  }

  mayFetch(peer: NodeId, digest: Digest): boolean {
    return this.#holdings.isOutputFor(peer, digest)
  }

  async paceServing(peer: NodeId, digest: Digest, bytes: number, signal?: AbortSignal): Promise<void> {
    const consent = this.#holdings.consentOf(peer, digest)
    if (consent === undefined) return
    const limit = { within: SERVING_WAIT_MS, ...(signal === undefined ? {} : { signal }) }
    await this.#bandwidth.take(consent, bytes, 'block', limit)
  }

  async storageUse(consent: string): Promise<StorageUse | undefined> {
    return this.#storage?.use(consent)
  }

  #step(event: WorkerEvent): readonly WorkerEffect[] {
    const { effects } = step(this.#state, event)
    for (const effect of effects) this.#carryOut(effect)
    return effects
  }

  #carryOut(effect: WorkerEffect): void {
    switch (effect.type) {
      case 'start':
        this.#begin(effect.lease)
        return
      case 'commit': {
        const { lease, campaign, requester, consent, until } = effect
        const hash = this.#holdings.get(lease)?.result?.commitment
        if (hash === undefined) return
        this.#outboxes.of(campaign, requester, consent).push({ type: 'commitment', lease, hash, until })
        return
      }
      case 'report': {
        const { lease, campaign, requester, consent, code, until } = effect
        this.#endedLeases.add(lease, requester, code)
        this.#outboxes.of(campaign, requester, consent).push({ type: 'failure', lease, code, until })
        return
      }
      case 'forget': {
        const held = this.#holdings.forget(effect.lease, effect.reason)
        this.#storage?.withdraw(effect.lease)
        if (held !== undefined) this.#outboxes.cancel(held.signed.id, held.consent, effect.lease)
        return
      }
      default:
        // Offers and answers are carried out by whoever fed the event.
        return
    }
  }

  #assigned(from: NodeId, signed: SignedManifest, message: Assign): AssignAnswer {
    const { manifest, id: campaign } = signed
    const now = this.#components.clock.now()
    const known = new Set(this.#state.leases.keys())
    const each = this.#storage?.resultBytes(manifest.resources.outputBytes) ?? 0
    const room = this.#storage?.room(message.consent) ?? Number.POSITIVE_INFINITY
    const effects = step(this.#state, {
      type: 'assigned',
      now,
      from,
      campaign,
      requester: manifest.requester,
      deadline: manifest.deadline,
      count: manifest.count,
      consent: message.consent,
      refusal: isFromFuture(manifest, now)
        ? 'compute/future'
        : this.#consents.refusal(manifest, message.consent),
      disk: { room, each },
      module: manifest.module,
      wallTime: manifest.resources.wallTime,
      outputBytes: manifest.resources.outputBytes,
      leases: message.leases.map((offered) => ({ ...offered, inputBytes: offered.bytes?.byteLength ?? 0 })),
    }).effects
    const answer = effects.find((effect) => effect.type === 'answer')
    const accepted = new Set(answer?.accepted)
    for (const { lease, input, bytes } of message.leases) {
      if (!accepted.has(lease) || known.has(lease)) continue
      this.#storage?.promise(lease, message.consent, each)
      this.#holdings.add(lease, { signed, consent: message.consent, input, bytes })
    }
    for (const effect of effects) this.#carryOut(effect)
    return { accepted: [...accepted], refused: [...(answer?.refused ?? [])] }
  }

  #begin(id: LeaseId): void {
    const materials = this.#holdings.get(id)
    const lease = this.#state.leases.get(id)
    if (materials === undefined || lease === undefined) return
    this.#running.add(lease.consent, this.#run(lease, materials))
  }

  async #run(lease: WorkerLease, materials: Materials): Promise<void> {
    const { id } = lease
    const { clock, logger } = this.#components
    try {
      const result = await execute(this.#execution, lease, materials, () =>
        this.#step({ type: 'started', now: clock.now(), lease: id }),
      )
      // Meanwhile the lease may have ended.
      this.#storage?.withdraw(id)
      if (!this.#holdings.complete(id, materials, result)) return
      const { outputBytes, fuel } = result
      this.#step({ type: 'computed', now: clock.now(), lease: id, outputBytes, fuel })
    } catch (error) {
      if (materials.abort.signal.aborted) return
      logger.warn({ lease: id, error: errorText(error) }, 'a task could not be done here')
      this.#step({
        type: 'failed',
        now: clock.now(),
        lease: id,
        code: errorCode(error) ?? 'compute/internal',
      })
    }
  }

  async #reveal(from: NodeId, campaign: CampaignId, leases: readonly LeaseId[]): Promise<RevealAnswer> {
    const { clock, identity } = this.#components
    const now = clock.now()
    const crossed = this.#endedLeases.among(leases, from)
    const justEnded = this.#endUnconsented(this.#leasesOf(from, leases))
    const refused = [...crossed, ...justEnded]
    const ended = new Set(refused.map(({ lease }) => lease))
    const asked = leases.filter((id) => !ended.has(id))
    const effects = this.#step({ type: 'reveal-asked', now, from, campaign, leases: asked })
    const effect = effects.find((candidate) => candidate.type === 'reveal')
    const held = (effect?.leases ?? []).flatMap((id) => {
      const lease = this.#state.leases.get(id)
      const materials = this.#holdings.get(id)
      const result = materials?.result
      return lease && materials && result ? [{ lease, materials, result }] : []
    })
    const answer = await revealOf(
      { identity, gated: this.#gated },
      campaign,
      held,
      effect?.unknown ?? [],
      refused,
    )
    if (answer.document !== null) {
      const shown = answer.reveals.map(({ lease }) => lease)
      this.#step({ type: 'shown', now, leases: shown, document: digestOf(answer.document) })
    }
    return answer
  }

  /** The end of consents, in the turn in which the person ended them (CON-5). */
  #ended({ tokens, code }: EndedConsents): void {
    const leases = [...this.#state.leases.values()]
      .filter(({ consent }) => tokens.includes(consent))
      .map(({ id }) => id)
    if (leases.length > 0)
      this.#step({ type: 'consent-ended', now: this.#components.clock.now(), leases, code })
    this.#modules.clear()
    const over = tokens.filter((token) => this.#components.consents.hasEnded?.(token) ?? false)
    this.#storage?.forget(over)
  }

  #leasesOf(from: NodeId, leases: readonly LeaseId[]): WorkerLease[] {
    return leases.flatMap((id) => {
      const lease = this.#state.leases.get(id)
      return lease?.requester === from ? [lease] : []
    })
  }

  #assertShown(from: NodeId, leases: readonly LeaseId[]): void {
    const justEnded = this.#endUnconsented(this.#leasesOf(from, leases))
    // With an end that was told of at once the lease is not held any more.
    const [ended] = [...this.#endedLeases.among(leases, from), ...justEnded]
    if (ended !== undefined) throw new AskeeError(ended.code, 'the consent ended before the answer')
  }

  quiet(consents: readonly string[]): Promise<void> {
    return this.#running.settled(consents)
  }

  /** Ends those of the leases whose consent has ended (CON-1); which they were, and why. */
  #endUnconsented(leases: readonly WorkerLease[]): { lease: LeaseId; code: string }[] {
    const now = this.#components.clock.now()
    const ended = this.#consents.ended(leases, (lease) => this.#holdings.get(lease)?.signed)
    for (const { leases, code } of ended) this.#step({ type: 'consent-ended', now, leases, code })
    return ended.flatMap(({ leases, code }) => leases.map((lease) => ({ lease, code })))
  }

  #settled(from: NodeId, { campaign, settlements }: Settlement, document: Uint8Array): void {
    const now = this.#components.clock.now()
    const effects = this.#step({ type: 'settled', now, from, campaign, settlements })
    const credited = effects.find((effect) => effect.type === 'credited')
    if (credited === undefined) return
    const { credit, requester } = credited
    this.#ledger?.take({ requester, campaign, received: now, document, credit })
  }

  #dropped(from: NodeId, leases: readonly LeaseId[]): void {
    if (leases.length > 0) this.#step({ type: 'dropped', now: this.#components.clock.now(), from, leases })
  }

  /** Says what is held, checks what runs, forgets what is over. */
  #beat(): void {
    const now = this.#components.clock.now()
    this.#endUnconsented([...this.#state.leases.values()])
    this.#step({ type: 'sweep', now })
    void this.#storage?.trim().catch((error: unknown) => {
      this.#components.logger.warn(
        { error: errorText(error) },
        'what is above a consent could not be removed',
      )
    })
    this.#heartbeats.beat([...this.#state.leases.values()], this.#abort.signal)
    this.#bandwidth.prune()
    this.#outboxes.prune(new Set([...this.#state.leases.values()].map(({ campaign }) => campaign)))
  }
}
