import {
  type Clock,
  decode,
  encode,
  type LeaseId,
  type Logger,
  type Mesh,
  type Milliseconds,
  type NodeId,
  type Timers,
} from '@askee/core'
import type { Identity } from '@askee/keys'
import type { CoordinatorEffect } from '../coordinator/events.ts'
import { unwatch, watch } from '../coordinator/liveness.ts'
import { MAX_RECEIPTS, signSettlement } from '../protocol/documents.ts'
import { assignAnswerSchema } from '../protocol/messages.ts'
import {
  BATCH_PAYLOAD_BYTES,
  INLINE_INPUT_BYTES,
  MAX_BATCH,
  MAX_MESSAGE_BYTES,
  PROTOCOLS,
} from '../protocol/names.ts'
import { refusalCode } from '../protocol/refusal.ts'
import type { Campaign } from './campaign.ts'
import type { Journal } from './journal.ts'
import { Lane } from './lane.ts'
import type { Loop } from './loop.ts'
import { Revealing } from './revealing.ts'

export interface DeliveryComponents {
  readonly mesh: Mesh
  readonly identity: Identity
  readonly journal: Journal
  readonly clock: Clock
  readonly timers: Timers
  readonly logger: Logger
}

export interface DeliveryInit {
  /** How long a worker may take to answer one request. */
  readonly requestTimeout: Milliseconds
  /** How long reveals and settlements are tried again. */
  readonly retryFor: Milliseconds
  readonly retryDelay: Milliseconds
}

type Assign = CoordinatorEffect & { type: 'assign' }
type Settle = CoordinatorEffect & { type: 'settle' }
interface QueuedAssign {
  readonly effect: Assign
  readonly bytes: Uint8Array | null
}

interface Lanes {
  readonly assign: Lane<QueuedAssign>
  readonly reveal: Lane<LeaseId>
  readonly settle: Lane<Settle>
}

/** Carries the coordinator's effects to the workers: a lane a node and kind, batches in each. */
export class Delivery {
  readonly #components: DeliveryComponents
  readonly #init: DeliveryInit
  readonly #loop: Loop
  readonly #revealing: Revealing
  readonly #lanes = new Map<Campaign, Map<NodeId, Lanes>>()

  constructor(components: DeliveryComponents, init: DeliveryInit, loop: Loop) {
    this.#components = components
    this.#init = init
    this.#loop = loop
    const ask = (campaign: Campaign, node: NodeId, leases: readonly LeaseId[]): Promise<Uint8Array> =>
      this.#request(campaign, node, PROTOCOLS.reveal, { v: 1, campaign: campaign.signed.id, leases })
    this.#revealing = new Revealing({ ...components, loop, ask }, init)
  }

  /** Takes the effects that are meant for workers; leaves the others. */
  carryOut(campaign: Campaign, effects: readonly CoordinatorEffect[]): void {
    const inputs = new Map<number, Uint8Array | null>()
    for (const effect of effects) {
      if (effect.type === 'assign') this.#assign(campaign, effect, inputs)
      else if (effect.type === 'reveal') this.#lanesOf(campaign, effect.node).reveal.push(effect.lease)
      else if (effect.type === 'settle') this.#lanesOf(campaign, effect.node).settle.push(effect)
      else if (effect.type === 'unwatch') unwatch(campaign.liveness, effect.lease)
    }
  }

  /** The campaign is over: its lanes are forgotten. */
  forget(campaign: Campaign): void {
    this.#lanes.delete(campaign)
  }

  /** @param inputs those already read for the other replicas of the same tasks; null: too large to travel along */
  #assign(campaign: Campaign, effect: Assign, inputs: Map<number, Uint8Array | null>): void {
    const now = this.#components.clock.monotonic()
    watch(campaign.liveness, effect.lease, effect.node, now, now + effect.expiresIn)
    let bytes = inputs.get(effect.task)
    if (bytes === undefined) {
      const input = campaign.inputs[effect.task]
      const held = input && this.#components.journal.blob(campaign.signed.id, input)
      bytes = held !== undefined && held.byteLength <= INLINE_INPUT_BYTES ? held : null
      inputs.set(effect.task, bytes)
    }
    this.#lanesOf(campaign, effect.node).assign.push({ effect, bytes })
  }

  #lanesOf(campaign: Campaign, node: NodeId): Lanes {
    let nodes = this.#lanes.get(campaign)
    if (nodes === undefined) {
      nodes = new Map()
      this.#lanes.set(campaign, nodes)
    }
    let lanes = nodes.get(node)
    if (lanes === undefined) {
      lanes = {
        assign: new Lane<QueuedAssign>(assignBatch, (batch) => this.#sendAssign(campaign, node, batch)),
        reveal: new Lane<LeaseId>(revealBatch, (batch) => this.#revealing.reveal(campaign, node, batch)),
        settle: new Lane<Settle>(fullBatch, (batch) => this.#sendSettle(campaign, node, batch)),
      }
      nodes.set(node, lanes)
    }
    return lanes
  }

  async #sendAssign(campaign: Campaign, node: NodeId, queued: QueuedAssign[]): Promise<void> {
    // What was taken back while it waited is not sent.
    const batch = queued.filter(({ effect }) => campaign.state.leases[effect.lease]?.stage === 'live')
    const first = batch[0]
    if (first === undefined) return
    const now = this.#components.clock.now()
    try {
      const answer = decode(
        await this.#request(campaign, node, PROTOCOLS.assign, {
          v: 1,
          manifest: campaign.signed.bytes,
          consent: first.effect.consent,
          leases: batch.map(({ effect, bytes }) => ({
            lease: effect.lease,
            task: effect.task,
            input: campaign.inputs[effect.task],
            bytes,
            expiresIn: effect.expiresIn,
          })),
        }),
        assignAnswerSchema,
        MAX_MESSAGE_BYTES,
      )
      if (answer.refused.length > 0) {
        this.#loop.post(campaign, { type: 'refused', now, node, refusals: answer.refused })
      } else this.#loop.touch(campaign)
    } catch (error) {
      const code = refusalCode(error)
      const leases = batch.map(({ effect }) => effect.lease)
      this.#components.logger.debug({ campaign: campaign.signed.id, node, code }, 'assignment not delivered')
      if (code.startsWith('consent/') || code === 'compute/busy') {
        const refusals = leases.map((lease) => ({ lease, code }))
        this.#loop.post(campaign, { type: 'refused', now, node, refusals })
      } else {
        const losses = leases.map((lease) => ({ lease, node, reason: code }))
        this.#loop.post(campaign, { type: 'lost', now, losses })
      }
    }
  }

  async #sendSettle(campaign: Campaign, node: NodeId, batch: Settle[]): Promise<void> {
    const document = signSettlement(this.#components.identity, {
      v: 1,
      campaign: campaign.signed.id,
      settlements: batch.map(({ lease, outcome, credit, receipt }) => ({
        lease,
        outcome,
        receipt,
        credit: BigInt(credit) as never,
      })),
    })
    const until = this.#components.clock.monotonic() + this.#init.retryFor
    while (!campaign.abort.signal.aborted) {
      try {
        await this.#request(campaign, node, PROTOCOLS.settle, { v: 1, document })
        break
      } catch (error) {
        // The credit stands in the requester's books; the worker forgets the lease by itself when it expires.
        if (this.#components.clock.monotonic() >= until || refusalCode(error).startsWith('compute/')) break
        await this.#pause(campaign)
      }
    }
    const leases = batch.map(({ lease }) => lease)
    this.#loop.post(campaign, { type: 'settled', now: this.#components.clock.now(), leases })
  }

  #request(
    campaign: Campaign,
    node: NodeId,
    protocol: (typeof PROTOCOLS)[keyof typeof PROTOCOLS],
    body: unknown,
  ): Promise<Uint8Array> {
    return this.#components.mesh.request(node, protocol, encode(body), {
      signal: campaign.abort.signal,
      timeout: this.#init.requestTimeout,
      maxResponseBytes: MAX_MESSAGE_BYTES,
    })
  }

  async #pause(campaign: Campaign): Promise<void> {
    await this.#components.timers.sleep(this.#init.retryDelay, campaign.abort.signal).catch(() => undefined)
  }
}

/** A batch has one consent, and inputs within the size of a message. */
function assignBatch(queue: readonly QueuedAssign[]): number {
  const consent = queue[0]?.effect.consent
  let size = 0
  let count = 0
  for (const { effect, bytes } of queue) {
    size += bytes?.byteLength ?? 0
    if (count > 0 && (size > BATCH_PAYLOAD_BYTES || effect.consent !== consent)) break
    if (++count === MAX_BATCH) break
  }
  return count
}

function fullBatch(queue: readonly unknown[]): number {
  return Math.min(queue.length, MAX_BATCH)
}

function revealBatch(queue: readonly unknown[]): number {
  return Math.min(queue.length, MAX_RECEIPTS)
}
