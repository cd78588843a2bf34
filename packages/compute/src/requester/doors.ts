import { checkScope, type TokenVerifier } from '@askee/consent'
import {
  AskeeError,
  type CampaignId,
  type Clock,
  decode,
  digestOf,
  encode,
  type LeaseId,
  type Mesh,
  type NodeId,
} from '@askee/core'
import { heard } from '../coordinator/liveness.ts'
import { isReplaceable } from '../coordinator/pool.ts'
import { verifyCommitment } from '../protocol/documents.ts'
import { isFromFuture } from '../protocol/manifest.ts'
import { type Commit, commitSchema, heartbeatSchema, offerSchema } from '../protocol/messages.ts'
import { MAX_MESSAGE_BYTES, PROTOCOL_LIMITS, PROTOCOLS } from '../protocol/names.ts'
import type { Campaign } from './campaign.ts'
import type { Loop } from './loop.ts'
import type { ReputationSource } from './reputation.ts'

export interface DoorComponents {
  readonly mesh: Mesh
  readonly clock: Clock
  readonly verifyToken: TokenVerifier
  readonly reputation: ReputationSource
  readonly loop: Loop
  readonly find: (id: CampaignId) => Campaign | undefined
  readonly maxNodes: number
  /** Whether the node registered for any campaign here. Constant time. */
  readonly isRegistered: (node: NodeId) => boolean
}

/** Opens the requester's doors to workers; the returned function closes them. */
export function openRequesterDoors(components: DoorComponents): () => void {
  const { mesh } = components
  const closers = [
    mesh.handle(PROTOCOLS.offer, PROTOCOL_LIMITS.offer, ({ from, body }) =>
      takeOffer(components, from, body),
    ),
    mesh.handle(PROTOCOLS.commit, PROTOCOL_LIMITS.commit, ({ from, body }) =>
      takeCommit(components, from, body),
    ),
    mesh.handle(PROTOCOLS.heartbeat, PROTOCOL_LIMITS.heartbeat, async ({ from, body }) =>
      takeHeartbeat(components, from, body),
    ),
  ]
  return () => {
    for (const close of closers) close()
  }
}

function running(components: DoorComponents, id: CampaignId): Campaign {
  const campaign = components.find(id)
  if (campaign === undefined)
    throw new AskeeError('compute/unknown-campaign', `no campaign ${id} is run here`)
  if (campaign.state.phase !== 'running') {
    throw new AskeeError('compute/finished', `the campaign ${id} is ${campaign.state.phase}`)
  }
  return campaign
}

/** CMP-10: a node registers with its capabilities and the consent under which it would work. */
async function takeOffer(components: DoorComponents, from: NodeId, body: Uint8Array): Promise<Uint8Array> {
  const offer = decode(body, offerSchema, PROTOCOL_LIMITS.offer.maxRequestBytes)
  const campaign = running(components, offer.campaign)
  const { manifest } = campaign.signed
  if (isFromFuture(manifest, components.clock.now())) {
    throw new AskeeError('compute/future', 'the campaign was made later than it is now: a clock was set back')
  }
  if (offer.capabilities.memoryBytes < manifest.resources.memoryBytes) {
    throw new AskeeError('compute/capability', 'the node has less memory than a task wants')
  }
  const known = campaign.state.nodes[from]
  if (known?.accused) throw new AskeeError('compute/excluded', 'the node was proven wrong in this campaign')
  const replaces = known === undefined ? placeFor(campaign, components.maxNodes) : null
  const claims = await components.verifyToken(offer.token, {
    subject: from,
    audience: components.mesh.self,
  })
  checkScope(claims, {
    requester: components.mesh.self,
    kind: manifest.kind,
    purpose: manifest.purpose,
    memoryBytes: manifest.resources.memoryBytes,
    durationMs: manifest.resources.wallTime,
    // What the volunteer thinks of the requester is for the volunteer to judge.
    requesterReputation: 1,
  })
  const reputation = components.reputation.of(from)
  if (reputation < manifest.minReputation) {
    throw new AskeeError(
      'compute/reputation',
      `the campaign wants a reputation of ${manifest.minReputation}, known is ${reputation.toFixed(3)}`,
    )
  }
  await components.loop.feed(campaign, {
    type: 'offered',
    now: components.clock.now(),
    node: from,
    consent: claims.id,
    consentExpires: claims.expires,
    operator: claims.grantor,
    reputation,
    engine: offer.capabilities.engine,
    slots: offer.capabilities.slots,
    queue: offer.capabilities.queue,
    replaces,
  })
  return encode({})
}

/**
 * The node to be forgotten for one more, or null while there are places.
 * @throws AskeeError `compute/enough-nodes`
 */
function placeFor({ state }: Campaign, maxNodes: number): NodeId | null {
  const nodes = Object.values(state.nodes)
  if (nodes.length < maxNodes) return null
  const gone = nodes.find(isReplaceable)
  if (gone !== undefined) return gone.id
  throw new AskeeError('compute/enough-nodes', `${maxNodes} nodes work for this campaign already`)
}

/** Acknowledged once it is on disk, so that a worker may rely on it. */
async function takeCommit(components: DoorComponents, from: NodeId, body: Uint8Array): Promise<Uint8Array> {
  assertKnown(components, from)
  const message = decode(body, commitSchema, MAX_MESSAGE_BYTES)
  const campaign = components.find(message.campaign)
  if (campaign === undefined) throw new AskeeError('compute/unknown-campaign', 'no such campaign is run here')
  assertRegistered(campaign, from)
  if (campaign.state.phase !== 'running') return encode({ drop: namedIn(message, from, campaign) })
  const now = components.clock.now()
  const waits: Promise<void>[] = []
  const named: LeaseId[] = []
  if (message.failed.length > 0) {
    const losses = message.failed.map(({ lease, code }) => ({ lease, node: from, reason: code }))
    waits.push(components.loop.feed(campaign, { type: 'lost', now, losses }))
  }
  if (message.document !== null) {
    const { value } = verifyCommitment(message.document, from)
    if (value.campaign !== message.campaign) {
      throw new AskeeError('compute/campaign', 'the commitment is for another campaign')
    }
    named.push(...value.commitments.map(({ lease }) => lease))
    waits.push(
      components.loop.feed(
        campaign,
        {
          type: 'committed',
          now,
          node: from,
          document: digestOf(message.document),
          commits: value.commitments,
        },
        { documents: [{ kind: 'commitment', bytes: message.document }] },
      ),
    )
  }
  await Promise.all(waits)
  return encode({ drop: strangers(campaign, from, named) })
}

/** What a message about a campaign that is over speaks of: nothing is awaited from it. */
function namedIn(message: Commit, from: NodeId, campaign: Campaign): LeaseId[] {
  const failed = message.failed.map(({ lease }) => lease)
  if (message.document === null) return failed
  const { commitments } = verifyCommitment(message.document, from).value
  return [
    ...failed,
    ...strangers(
      campaign,
      from,
      commitments.map(({ lease }) => lease),
    ),
  ]
}

function takeHeartbeat(components: DoorComponents, from: NodeId, body: Uint8Array): Uint8Array {
  assertKnown(components, from)
  const message = decode(body, heartbeatSchema, MAX_MESSAGE_BYTES)
  const drop: LeaseId[] = []
  for (const { campaign: id, leases } of message.campaigns) {
    const campaign = components.find(id)
    if (campaign === undefined) drop.push(...leases)
    else {
      heard(campaign.liveness, from, leases, components.clock.monotonic())
      drop.push(...strangers(campaign, from, leases))
    }
  }
  return encode({ drop })
}

/** A look that costs next to nothing, before a message of up to 1 MiB is decoded (NET-5). */
function assertKnown({ isRegistered }: DoorComponents, from: NodeId): void {
  if (!isRegistered(from)) {
    throw new AskeeError('compute/not-registered', `${from} has not offered itself for any campaign`)
  }
}

function assertRegistered(campaign: Campaign, from: NodeId): void {
  if (!Object.hasOwn(campaign.state.nodes, from)) {
    throw new AskeeError('compute/not-registered', `${from} has not offered itself for this campaign`)
  }
}

/** Leases that are not, or no longer, this node's. One whose settlement is on its way stays until that arrives. */
function strangers(campaign: Campaign, from: NodeId, leases: readonly LeaseId[]): LeaseId[] {
  const { state } = campaign
  return leases.filter((lease) => state.leases[lease]?.node !== from && state.unsettled[lease]?.node !== from)
}
