import type { RevocationNews, RevokedToken, TokenVerifier } from '@askee/consent'
import {
  AskeeError,
  type BlockStore,
  type CampaignId,
  type Clock,
  type Digest,
  errorText,
  type Logger,
  type Mesh,
  type NodeId,
  type Random,
  type Timers,
} from '@askee/core'
import type { Identity } from '@askee/keys'
import { type Database, openDatabase, type Sealing } from '@askee/store'
import { check as admit } from '@askee/wasm'
import type { CampaignEvent, CampaignReport, CampaignSpec, Requester } from '../api.ts'
import type { CoordinatorEffect } from '../coordinator/events.ts'
import { check as checkLiveness, watch } from '../coordinator/liveness.ts'
import { initialState } from '../coordinator/state.ts'
import { isStuck } from '../coordinator/sweep.ts'
import { putPinned } from '../pinned-block.ts'
import { verifyManifest } from '../protocol/manifest.ts'
import { INLINE_INPUT_BYTES } from '../protocol/names.ts'
import { type Announcement, announce } from './announcer.ts'
import { Artefacts } from './artefacts.ts'
import { type Campaign, createCampaign, decodeInputList } from './campaign.ts'
import { Delivery } from './delivery.ts'
import { openRequesterDoors } from './doors.ts'
import { type RequesterInit, resolveRequesterInit } from './init.ts'
import { createJournal, type Journal, type JournaledCampaign } from './journal.ts'
import { findCampaign } from './lookup.ts'
import { Loop } from './loop.ts'
import { JOURNAL_MIGRATIONS } from './migrations.ts'
import { narrate } from './narration.ts'
import { accusationOf, reportOf, summaryOf } from './report.ts'
import { createJournalReputation, type ReputationSource } from './reputation.ts'
import { configOf, prepare } from './submit.ts'

export interface RequesterComponents {
  readonly mesh: Mesh
  readonly identity: Identity
  readonly clock: Clock
  readonly timers: Timers
  readonly random: Random
  readonly logger: Logger
  /** Checks the consent in each offer. */
  readonly verifyToken: TokenVerifier
  /** Tells of consents that were revoked: their nodes get no more work, and what they had is given to others. */
  readonly revocations?: RevocationNews
  /** The store that the mesh serves blocks from: modules and large inputs are pinned in it while they are needed. */
  readonly blocks: BlockStore
  /** Default: the requester's own evidence in its journal. */
  readonly reputation?: ReputationSource
  /** Encrypts the journal; without it the file is plain. */
  readonly sealing?: Sealing
}

/** Why leases under a revoked consent are lost. */
const REVOKED = 'consent/revoked'

/** The requester's side of replicated computation. See Requester. */
export function createRequester(components: RequesterComponents, init: RequesterInit): Requester {
  return new JournalingRequester(components, init)
}

class JournalingRequester implements Requester {
  readonly #components: RequesterComponents
  readonly #init: ReturnType<typeof resolveRequesterInit>
  readonly #listeners = new Set<(event: CampaignEvent) => void>()
  readonly #campaigns = new Map<CampaignId, Campaign>()
  readonly #announcements = new Map<Campaign, Announcement>()
  readonly #artefacts = new Artefacts()
  /** Nodes that registered for any campaign. */
  readonly #registered = new Set<NodeId>()
  readonly #cleanup: (() => void)[] = []
  #live: Live | null = null

  constructor(components: RequesterComponents, init: RequesterInit) {
    this.#components = components
    this.#init = resolveRequesterInit(init)
  }

  async start(signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted()
    if (this.#live !== null) return
    const database = openDatabase(this.#init.journal, JOURNAL_MIGRATIONS, this.#components.sealing)
    const journal = createJournal(database)
    const { mesh, clock, timers, revocations } = this.#components
    const loop = new Loop({ ...this.#components, journal }, this.#init.commitPeriod, (campaign, effects) =>
      this.#carryOut(campaign, effects),
    )
    const delivery = new Delivery({ ...this.#components, journal }, this.#init, loop)
    this.#live = { database, journal, loop, delivery }
    for (const held of journal.load()) await this.#resume(held)
    const reputation = this.#components.reputation ?? createJournalReputation(database)
    this.#cleanup.push(
      openRequesterDoors({
        mesh,
        clock,
        verifyToken: this.#components.verifyToken,
        reputation,
        loop,
        find: (id) => this.#campaigns.get(id),
        maxNodes: this.#init.maxNodes,
        isRegistered: (node) => this.#registered.has(node),
      }),
      timers.every(this.#init.sweepPeriod, () => this.#sweep()),
      revocations?.onRevoked(({ tokens }) => this.#revoked(tokens)) ?? (() => {}),
      mesh.onPeer((peer, state) => {
        if (state === 'disconnected') this.#watchDisconnected(peer)
      }),
    )
  }

  async stop(): Promise<void> {
    const live = this.#live
    if (live === null) return
    this.#live = null
    for (const clean of this.#cleanup.splice(0)) clean()
    for (const announcement of this.#announcements.values()) announcement.end()
    live.loop.stop()
    const stopped = new AskeeError('compute/stopped', 'the requester has stopped')
    for (const campaign of this.#campaigns.values()) {
      campaign.abort.abort(stopped)
      for (const unpin of campaign.unpin.splice(0)) unpin()
      campaign.finished.reject(stopped)
    }
    this.#announcements.clear()
    this.#artefacts.clear()
    this.#registered.clear()
    this.#campaigns.clear()
    live.database.close()
  }

  async submit(spec: CampaignSpec): Promise<CampaignId> {
    const { clock } = this.#components
    const { journal } = this.#started()
    admit(spec.module, { abi: 'askee', maxMemoryBytes: spec.resources.memoryBytes })
    const now = clock.now()
    const { signed, inputs, inputList } = prepare(this.#components, spec, now)
    const pins = await this.#keep([spec.module, inputList, ...spec.inputs.filter(isLarge)])
    const small = spec.inputs.filter((input) => !isLarge(input))
    const config = configOf(signed, this.#init.policy)
    try {
      journal.create({ id: signed.id, manifest: signed.bytes, submitted: now }, config, [inputList, ...small])
    } catch (error) {
      for (const unpin of pins) unpin()
      throw error
    }
    const campaign = createCampaign(
      { signed, inputs, submitted: now, state: initialState(config) },
      this.#init.silence,
    )
    campaign.unpin.push(...pins)
    this.#open(campaign)
    return signed.id
  }

  /** Puts up blocks, each pinned as soon as it is there: all of them or none. */
  async #keep(contents: readonly Uint8Array[]): Promise<(() => void)[]> {
    const { blocks, mesh } = this.#components
    const pins: (() => void)[] = []
    try {
      for (const bytes of contents) {
        pins.push(await putPinned(blocks, bytes, (block) => mesh.putBlock(block)))
      }
    } catch (error) {
      for (const unpin of pins) unpin()
      throw error
    }
    return pins
  }

  list(): ReturnType<Requester['list']> {
    const now = this.#components.clock.now()
    return [...this.#campaigns.values()].reverse().map((campaign) => summaryOf(campaign, now))
  }

  report(id: CampaignId): CampaignReport {
    return reportOf(this.#started().journal, this.#find(id), this.#components.clock.now())
  }

  find(id: string): CampaignId {
    return findCampaign(this.#campaigns, id).signed.id
  }

  async cancel(id: CampaignId, reason: string): Promise<void> {
    const campaign = this.#find(id)
    const now = this.#components.clock.now()
    await this.#started().loop.feed(campaign, { type: 'cancelled', now, reason })
    if (campaign.state.phase === 'cancelled') return
    throw new AskeeError(
      'compute/over',
      `every task of the campaign ${id} is decided: nothing is left to cancel`,
    )
  }

  async wait(id: CampaignId, signal?: AbortSignal): Promise<CampaignReport> {
    const { finished } = this.#find(id)
    signal?.throwIfAborted()
    const aborted = Promise.withResolvers<never>()
    const onAbort = (): void => aborted.reject(signal?.reason)
    signal?.addEventListener('abort', onAbort, { once: true })
    try {
      await Promise.race([finished.promise, aborted.promise])
    } finally {
      signal?.removeEventListener('abort', onAbort)
    }
    return this.report(id)
  }

  onEvent(listener: (event: CampaignEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  mayFetch(peer: NodeId, digest: Digest): boolean {
    return this.#artefacts.isFor(peer, digest, this.#components.clock.now())
  }

  #started(): Live {
    if (this.#live === null) throw new AskeeError('compute/stopped', 'the requester is not started')
    return this.#live
  }

  #find(id: CampaignId): Campaign {
    return findCampaign(this.#campaigns, id)
  }

  /** A campaign from the journal goes on where its last durable event left it. */
  async #resume(held: JournaledCampaign): Promise<void> {
    const { journal, loop } = this.#started()
    const signed = verifyManifest(held.manifest)
    const list =
      journal.blob(signed.id, signed.manifest.inputs) ??
      (await this.#components.blocks.get(signed.manifest.inputs))
    const inputs = list === undefined ? [] : decodeInputList(list)
    const { submitted, state } = held
    for (const node of Object.keys(state.nodes)) this.#registered.add(node as NodeId)
    const campaign = createCampaign({ signed, submitted, state, inputs }, this.#init.silence)
    if (state.phase !== 'running') {
      this.#campaigns.set(signed.id, campaign)
      campaign.finished.resolve()
      if (Object.keys(state.unsettled).length === 0) return
    } else {
      const { module, inputs: list } = signed.manifest
      for (const digest of new Set([module, list, ...this.#largeInputs(campaign)])) {
        campaign.unpin.push(this.#components.blocks.pin(digest))
      }
      this.#open(campaign)
      const now = this.#components.clock.monotonic()
      for (const lease of Object.values(state.leases)) {
        if (lease.stage !== 'live') continue
        const left = lease.issued + state.config.wallTime + state.config.policy.leaseSlack
        const span = Math.max(this.#init.silence, left - this.#components.clock.now())
        watch(campaign.liveness, lease.id, lease.node, now, now + span, 'unknown')
      }
    }
    loop.post(campaign, { type: 'resumed', now: this.#components.clock.now() })
  }

  #open(campaign: Campaign): void {
    const { bytes, id } = campaign.signed
    this.#campaigns.set(id, campaign)
    this.#artefacts.add(campaign)
    campaign.finished.promise.catch(() => undefined)
    const { announceFirst: first, announceLongest: longest } = this.#init
    this.#announcements.set(campaign, announce(this.#components, { first, longest }, bytes))
  }

  #largeInputs(campaign: Campaign): readonly Campaign['inputs'][number][] {
    const { journal } = this.#started()
    return campaign.inputs.filter((digest) => !journal.holds(campaign.signed.id, digest))
  }

  #sweep(): void {
    const live = this.#live
    if (live === null) return
    const now = this.#components.clock.now()
    for (const campaign of this.#campaigns.values()) {
      if (campaign.state.phase !== 'running') continue
      const losses = checkLiveness(campaign.liveness, this.#components.clock.monotonic())
      if (losses.length > 0) live.loop.post(campaign, { type: 'lost', now, losses })
      live.loop.post(campaign, { type: 'sweep', now })
      // Nodes that are there and could help offer themselves when they hear of the campaign, which must be in time.
      if (isStuck(campaign.state)) this.#announcements.get(campaign)?.hurry()
    }
  }

  /** Nodes whose consent has ended are gone until they offer again; nobody is to blame (CON-5). */
  #revoked(tokens: readonly RevokedToken[]): void {
    const live = this.#live
    if (live === null) return
    const isRevoked = (consent: string, node: NodeId): boolean =>
      tokens.some(({ id, subject }) => id === consent && subject === node)
    const now = this.#components.clock.now()
    for (const campaign of this.#campaigns.values()) {
      if (campaign.state.phase !== 'running') continue
      const nodes = Object.values(campaign.state.nodes).filter(({ consent, id }) => isRevoked(consent, id))
      const losses = Object.values(campaign.state.leases)
        .filter(({ consent, node }) => isRevoked(consent, node))
        .map(({ id, node }) => ({ lease: id, node, reason: REVOKED }))
      for (const { id } of nodes)
        live.loop.post(campaign, { type: 'departed', now, node: id, reason: REVOKED })
      if (losses.length > 0) live.loop.post(campaign, { type: 'lost', now, losses })
      if (nodes.length > 0) this.#announcements.get(campaign)?.hurry()
    }
  }

  #watchDisconnected(peer: NodeId): void {
    const { mesh, timers, clock } = this.#components
    const cancel = timers.after(this.#init.disconnectGrace, () => {
      this.#cleanup.splice(this.#cleanup.indexOf(cancel), 1)
      if (this.#live === null || mesh.peers().includes(peer)) return
      for (const campaign of this.#campaigns.values()) {
        if (campaign.state.phase !== 'running' || !campaign.state.nodes[peer]?.present) continue
        const now = clock.now()
        this.#live.loop.post(campaign, { type: 'departed', now, node: peer, reason: 'disconnected' })
        this.#announcements.get(campaign)?.hurry()
      }
    })
    this.#cleanup.push(cancel)
  }

  #carryOut(campaign: Campaign, effects: readonly CoordinatorEffect[]): void {
    const live = this.#live
    if (live === null) return
    live.delivery.carryOut(campaign, effects)
    for (const effect of effects) {
      if (effect.type === 'finished') this.#finish(campaign)
      if (effect.type === 'registered') this.#registered.add(effect.node)
      const event = narrate(campaign, effect, (record) => accusationOf(live.journal, campaign, record))
      if (event !== undefined) this.#tell(event)
    }
    const { folded, state } = campaign
    if (!folded && state.phase !== 'running' && Object.keys(state.unsettled).length === 0) {
      campaign.folded = true
      live.journal.compact(campaign.signed.id, campaign.state)
      live.delivery.forget(campaign)
    }
  }

  #finish(campaign: Campaign): void {
    this.#announcements.get(campaign)?.end()
    this.#announcements.delete(campaign)
    this.#artefacts.remove(campaign)
    for (const unpin of campaign.unpin.splice(0)) unpin()
    campaign.finished.resolve()
  }

  #tell(event: CampaignEvent): void {
    for (const listener of this.#listeners) {
      try {
        listener(event)
      } catch (error) {
        this.#components.logger.warn({ error: errorText(error) }, 'a listener of campaign events failed')
      }
    }
  }
}

/** Too large to travel inside an assignment. */
function isLarge(input: Uint8Array): boolean {
  return input.byteLength > INLINE_INPUT_BYTES
}

/** What exists between start and stop. */
interface Live {
  readonly database: Database
  readonly journal: Journal
  readonly loop: Loop
  readonly delivery: Delivery
}
