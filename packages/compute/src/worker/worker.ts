import type { ConsentGate } from '@askee/consent'
import {
  AskeeError,
  type BlockStore,
  type CampaignId,
  type Clock,
  type Digest,
  decode,
  digestOf,
  encode,
  errorCode,
  errorText,
  type LeaseId,
  type Logger,
  type Mesh,
  type NodeId,
  type Random,
  type Timers,
} from '@askee/core'
import type { Identity } from '@askee/keys'
import type { Executor } from '@askee/sandbox'
import type { Worker, WorkerStatus } from '../api.ts'
import { Budget } from '../budget.ts'
import type { Settlement } from '../protocol/documents.ts'
import { isFromFuture, isPast, type SignedManifest, verifyManifest } from '../protocol/manifest.ts'
import type { Assign, AssignAnswer, Offer, RevealAnswer } from '../protocol/messages.ts'
import { dropSchema } from '../protocol/messages.ts'
import { MAX_MESSAGE_BYTES, PROTOCOLS } from '../protocol/names.ts'
import { refusalCode } from '../protocol/refusal.ts'
import { taskIdOf } from '../protocol/task-id.ts'
import { CAMPAIGN_TOPIC } from '../protocol/topic.ts'
import { openWorkerDoors } from './doors.ts'
import type { WorkerEffect, WorkerEvent } from './events.ts'
import { type ExecutionComponents, execute, questionOf } from './execution.ts'
import { heartbeatOf } from './heartbeat.ts'
import { resolveWorkerInit, type WorkerInit } from './init.ts'
import { type Ledger, openLedger } from './ledger.ts'
import { LruCache } from './lru-cache.ts'
import { step } from './machine.ts'
import type { Materials } from './materials.ts'
import { Outbox } from './outbox.ts'
import { revealOf } from './reveal.ts'
import { ShownOutputs } from './shown-outputs.ts'
import { initialWorker, type WorkerLease, type WorkerState } from './state.ts'

export interface WorkerComponents {
  readonly mesh: Mesh
  readonly identity: Identity
  readonly clock: Clock
  readonly timers: Timers
  readonly random: Random
  readonly logger: Logger
  readonly executor: Executor
  /** Asked at every door: offer, assignment, fetching, start, reveal, and at each heartbeat. */
  readonly consents: ConsentGate
  /** The store that the mesh serves blocks from: large outputs are pinned in it. Without it they stay in memory. */
  readonly blocks?: BlockStore
}

/** The volunteer's side of replicated computation. See Worker. */
export function createWorker(components: WorkerComponents, init: WorkerInit = {}): Worker {
  return new VolunteerWorker(components, resolveWorkerInit(init))
}

class VolunteerWorker implements Worker {
  readonly #components: WorkerComponents
  readonly #init: Required<WorkerInit>
  readonly #execution: ExecutionComponents
  readonly #materials = new Map<LeaseId, Materials>()
  readonly #outputs = new ShownOutputs()
  readonly #outboxes = new Map<CampaignId, Outbox>()
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
    const limits = { capacity: init.modules, maxWeight: init.moduleBytes }
    const modules = new LruCache<string, Uint8Array>(limits, (module) => module.byteLength)
    const passes = new Budget(1)
    const stopping = (): AbortSignal => this.#abort.signal
    this.#execution = { ...components, requesterReputation, modules, passes, stopping }
  }

  async start(signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted()
    if (this.#cleanup.length > 0) return
    const { mesh, timers } = this.#components
    this.#abort = new AbortController()
    this.#ledger = openLedger(this.#init.journal)
    for (const [requester, fuel] of this.#ledger.credit()) this.#state.credit.set(requester, fuel)
    this.#cleanup.push(
      openWorkerDoors(mesh, {
        holdsLeaseOf: (requester) => this.#state.usage.has(requester),
        offeredTo: (requester) => this.#offeredTo.has(requester),
        assign: (from, signed, message) => this.#assigned(from, signed, message),
        reveal: (from, campaign, leases) => this.#reveal(from, campaign, leases),
        settle: (from, settlement, document) => this.#settled(from, settlement, document),
      }),
      mesh.subscribe(CAMPAIGN_TOPIC, ({ body }) => this.#announced(body)),
      timers.every(this.#init.heartbeatPeriod, () => this.#beat()),
    )
  }

  async stop(): Promise<void> {
    for (const clean of this.#cleanup.splice(0)) clean()
    this.#abort.abort(new AskeeError('compute/stopped', 'the worker has stopped'))
    for (const { abort, result } of this.#materials.values()) {
      abort.abort(this.#abort.signal.reason)
      result?.release()
    }
    this.#materials.clear()
    this.#outputs.clear()
    this.#outboxes.clear()
    this.#ledger?.close()
    this.#ledger = null
    const { config, credit, completed, failed, refused } = this.#state
    this.#state = { ...initialWorker(config), credit, completed, failed, refused }
  }

  status(): WorkerStatus {
    const { config, leases, completed, failed, refused, credit } = this.#state
    return {
      slots: config.slots,
      leases: [...leases.values()].map((lease) => ({
        lease: lease.id,
        campaign: lease.campaign,
        task: taskIdOf(lease.campaign, lease.task),
        requester: lease.requester,
        consent: lease.consent,
        module: lease.module,
        state: lease.stage,
        since: lease.since,
      })),
      completed,
      failed,
      refused,
      credit: new Map(credit),
    }
  }

  mayFetch(peer: NodeId, digest: Digest): boolean {
    return this.#outputs.has(peer, digest)
  }

  #step(event: WorkerEvent): readonly WorkerEffect[] {
    const { effects } = step(this.#state, event)
    for (const effect of effects) this.#carryOut(effect)
    return effects
  }

  #carryOut(effect: WorkerEffect): void {
    switch (effect.type) {
      case 'start':
        void this.#run(effect.lease)
        return
      case 'commit': {
        const hash = this.#materials.get(effect.lease)?.result?.commitment
        if (hash === undefined) return
        this.#outbox(effect.campaign, effect.requester).push({
          type: 'commitment',
          lease: effect.lease,
          hash,
          until: effect.until,
        })
        return
      }
      case 'report': {
        const { lease, code, until } = effect
        this.#outbox(effect.campaign, effect.requester).push({ type: 'failure', lease, code, until })
        return
      }
      case 'forget':
        this.#forget(effect.lease, effect.reason)
        return
      default:
        // Offers and answers are carried out by whoever fed the event.
        return
    }
  }

  #forget(lease: LeaseId, reason: string): void {
    const materials = this.#materials.get(lease)
    // With a result there is nothing left to stop.
    if (materials?.result === null) materials.abort.abort(new AskeeError('compute/dropped', reason))
    const output = materials?.result?.outputDigest
    if (materials !== undefined && output !== undefined) {
      this.#outputs.remove(materials.signed.manifest.requester, output)
      materials.result?.release()
    }
    if (materials !== undefined) this.#outboxes.get(materials.signed.id)?.cancel(lease)
    this.#materials.delete(lease)
  }

  #announced(body: Uint8Array): void {
    const { clock, consents, logger } = this.#components
    let signed: SignedManifest
    try {
      signed = verifyManifest(body)
    } catch (error) {
      logger.debug({ error: errorText(error) }, 'a campaign announcement was not understood')
      return
    }
    const { manifest, id: campaign } = signed
    const now = clock.now()
    const self = this.#components.mesh.self
    if (manifest.requester === self || isPast(manifest, now) || isFromFuture(manifest, now)) return
    const covering = consents.covering(questionOf(manifest, this.#init.requesterReputation))
    const effects = this.#step({
      type: 'announced',
      now: clock.now(),
      campaign,
      requester: manifest.requester,
      deadline: manifest.deadline,
      consent: covering?.claims.id ?? null,
      capable: manifest.resources.memoryBytes <= this.#init.memoryBytes ? 'capable' : 'incapable',
    })
    if (covering !== undefined && effects.some((effect) => effect.type === 'offer')) {
      void this.#offer(signed, covering.token)
    }
  }

  async #offer({ id: campaign, manifest }: SignedManifest, token: string): Promise<void> {
    const { mesh, timers, random, executor, logger } = this.#components
    const { engine, tier } = executor.describe()
    const { slots, memoryBytes, offerJitter, requestTimeout: timeout } = this.#init
    const queue = Math.max(1, Math.floor(this.#init.queue * this.#init.share))
    const offer: Offer = { v: 1, campaign, token, capabilities: { engine, tier, slots, queue, memoryBytes } }
    const { signal } = this.#abort
    this.#offeredTo.add(manifest.requester)
    try {
      await timers.sleep(random.below(Math.max(1, offerJitter)), signal)
      await mesh.request(manifest.requester, PROTOCOLS.offer, encode(offer), { timeout, signal })
    } catch (error) {
      // The next announcement is the next chance.
      logger.debug({ campaign, error: errorText(error) }, 'the offer was not taken')
    }
  }

  #assigned(from: NodeId, signed: SignedManifest, message: Assign): AssignAnswer {
    const { manifest, id: campaign } = signed
    const now = this.#components.clock.now()
    const known = new Set(this.#state.leases.keys())
    const effects = step(this.#state, {
      type: 'assigned',
      now,
      from,
      campaign,
      requester: manifest.requester,
      deadline: manifest.deadline,
      count: manifest.count,
      consent: message.consent,
      refusal: isFromFuture(manifest, now) ? 'compute/future' : this.#refusal(signed, message.consent),
      module: manifest.module,
      wallTime: manifest.resources.wallTime,
      outputBytes: manifest.resources.outputBytes,
      leases: message.leases.map((offered) => ({ ...offered, inputBytes: offered.bytes?.byteLength ?? 0 })),
    }).effects
    const answer = effects.find((effect) => effect.type === 'answer')
    const accepted = new Set(answer?.accepted)
    for (const { lease, input, bytes } of message.leases) {
      if (!accepted.has(lease) || known.has(lease)) continue
      this.#materials.set(lease, { signed, input, bytes, abort: new AbortController(), result: null })
    }
    for (const effect of effects) this.#carryOut(effect)
    return { accepted: [...accepted], refused: [...(answer?.refused ?? [])] }
  }

  /** The consent's door: null when it is open, else the code of the refusal. */
  #refusal({ manifest }: SignedManifest, consent: string): string | null {
    try {
      this.#components.consents.check(consent, questionOf(manifest, this.#init.requesterReputation))
      return null
    } catch (error) {
      return errorCode(error) ?? 'consent/internal'
    }
  }

  async #run(id: LeaseId): Promise<void> {
    const materials = this.#materials.get(id)
    const lease = this.#state.leases.get(id)
    if (materials === undefined || lease === undefined) return
    const { clock, logger } = this.#components
    try {
      const result = await execute(this.#execution, lease, materials, () =>
        this.#step({ type: 'started', now: clock.now(), lease: id }),
      )
      // Meanwhile the lease may have ended.
      if (this.#materials.get(id) !== materials) {
        result.release()
        return
      }
      materials.result = result
      materials.bytes = null
      this.#outputs.add(lease.requester, result.outputDigest)
      this.#step({
        type: 'computed',
        now: clock.now(),
        lease: id,
        outputBytes: result.outputBytes,
        fuel: result.fuel,
      })
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
    const now = this.#components.clock.now()
    const refused = this.#endUnconsented(
      leases.flatMap((id) => {
        const lease = this.#state.leases.get(id)
        return lease?.requester === from ? [lease] : []
      }),
    )
    const ended = new Set(refused.map(({ lease }) => lease))
    const asked = leases.filter((id) => !ended.has(id))
    const effects = this.#step({ type: 'reveal-asked', now, from, campaign, leases: asked })
    const effect = effects.find((candidate) => candidate.type === 'reveal')
    const held = (effect?.leases ?? []).flatMap((id) => {
      const lease = this.#state.leases.get(id)
      const materials = this.#materials.get(id)
      const result = materials?.result
      return lease && materials && result ? [{ lease, materials, result }] : []
    })
    const answer = await revealOf(this.#components, campaign, held, effect?.unknown ?? [], refused)
    if (answer.document !== null) {
      const shown = answer.reveals.map(({ lease }) => lease)
      this.#step({ type: 'shown', now, leases: shown, document: digestOf(answer.document) })
    }
    return answer
  }

  /** Ends those of the leases whose consent has ended (CON-1); which they were, and why. */
  #endUnconsented(leases: readonly WorkerLease[]): { lease: LeaseId; code: string }[] {
    const now = this.#components.clock.now()
    const refused: { lease: LeaseId; code: string }[] = []
    // Asked once for all leases of a campaign under the same consent.
    const byQuestion = Map.groupBy(leases, ({ campaign, consent }) => `${campaign}/${consent}`)
    for (const own of byQuestion.values()) {
      const first = own[0] as WorkerLease
      const signed = this.#materials.get(first.id)?.signed
      const code = signed === undefined ? null : this.#refusal(signed, first.consent)
      if (code === null) continue
      this.#step({ type: 'consent-ended', now, leases: own.map(({ id }) => id), code })
      refused.push(...own.map(({ id }) => ({ lease: id, code })))
    }
    return refused
  }

  #settled(from: NodeId, { campaign, settlements }: Settlement, document: Uint8Array): void {
    const now = this.#components.clock.now()
    const effects = this.#step({ type: 'settled', now, from, campaign, settlements })
    const credited = effects.find((effect) => effect.type === 'credited')
    if (credited === undefined) return
    const { credit, requester } = credited
    this.#ledger?.take({ requester, campaign, received: now, document, credit })
  }

  #outbox(campaign: CampaignId, requester: NodeId): Outbox {
    let outbox = this.#outboxes.get(campaign)
    if (outbox === undefined) {
      const onDrop = (leases: readonly LeaseId[]): void => this.#dropped(requester, leases)
      const target = { campaign, requester }
      outbox = new Outbox(this.#components, this.#init, target, onDrop, this.#abort.signal)
      this.#outboxes.set(campaign, outbox)
    }
    return outbox
  }

  #dropped(from: NodeId, leases: readonly LeaseId[]): void {
    if (leases.length > 0) this.#step({ type: 'dropped', now: this.#components.clock.now(), from, leases })
  }

  /** Says what is held, checks what runs, forgets what is over. */
  #beat(): void {
    const now = this.#components.clock.now()
    this.#endUnconsented([...this.#state.leases.values()])
    this.#step({ type: 'sweep', now })
    const byRequester = Map.groupBy(this.#state.leases.values(), (lease) => lease.requester)
    const campaigns = new Set<CampaignId>()
    for (const [requester, leases] of byRequester) {
      for (const { campaign } of leases) campaigns.add(campaign)
      void this.#heartbeat(requester, leases)
    }
    for (const [campaign, outbox] of this.#outboxes) {
      if (outbox.idle && !campaigns.has(campaign)) this.#outboxes.delete(campaign)
    }
  }

  async #heartbeat(requester: NodeId, leases: readonly WorkerLease[]): Promise<void> {
    const { mesh } = this.#components
    const { requestTimeout: timeout } = this.#init
    const { signal } = this.#abort
    try {
      const body = encode(heartbeatOf(leases))
      const answer = await mesh.request(requester, PROTOCOLS.heartbeat, body, { timeout, signal })
      this.#dropped(requester, decode(answer, dropSchema, MAX_MESSAGE_BYTES).drop)
    } catch (error) {
      // The next one may arrive; if none does, the requester gives the leases to others.
      if (refusalCode(error) !== 'compute/not-registered') return
      // It does not know this node any more, so its leases are worth nothing.
      this.#dropped(
        requester,
        leases.map(({ id }) => id),
      )
    }
  }
}
