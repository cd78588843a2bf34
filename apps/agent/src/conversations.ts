import { PROTOCOLS } from '@askee/compute/protocol/names'
import { CONSENT_PROTOCOLS } from '@askee/consent'
import {
  AskeeError,
  type AuditSink,
  type Clock,
  type Logger,
  type Mesh,
  type NodeId,
  type Random,
  type Startable,
  type Timers,
} from '@askee/core'
import {
  type Conversations,
  createOpener,
  createSealer,
  createSessions,
  type Identity,
  type KeyExchange,
  type KeyRing,
  type KeyStore,
  openConversations,
  type PeerKeys,
  sealedMesh,
} from '@askee/keys'

/** What requesters and workers say to each other. Requests of one pair overtake each other, as on any mesh. */
const COMPUTE = { conv: 'compute', window: 1024 }
/** Revocations and status lists. Gossip and records tell of them as well, to everybody. */
const CONSENT = { conv: 'consent/exchange', window: 64 }
/** Conversations that go on in paranoid mode. Helping others is none of them. */
const CRITICAL = ['consent/']

export interface NodeConversationsComponents {
  readonly identity: Identity
  /** Who may send this node into paranoid mode and, alone, out of it. */
  readonly owner: NodeId
  readonly store: KeyStore
  readonly mesh: Mesh
  readonly keyRing: KeyRing
  readonly peerKeys: PeerKeys
  readonly exchange: KeyExchange
  readonly audit: AuditSink
  readonly clock: Clock
  readonly timers: Timers
  readonly random: Random
  readonly logger: Logger
  /** Whether this node has business with a peer, who then comes before strangers. */
  readonly isKnown: (peer: NodeId) => boolean
}

/** The sealed conversations of this node. Started after its keys. */
export interface NodeConversations extends Startable {
  /** The mesh on which requester and worker talk in sessions, of work and of consents; never in clear. */
  readonly mesh: Mesh
  mode(): ReturnType<Conversations['mode']>
  nextAlert(): ReturnType<Conversations['nextAlert']>
  /**
   * Takes an alert that the owner, or to enter also the node, signed.
   * @throws AskeeError as `Conversations.alert`
   */
  alert(bytes: Uint8Array): Promise<void>
}

export function createNodeConversations(components: NodeConversationsComponents): NodeConversations {
  const { identity, owner, mesh, exchange, clock, timers } = components
  let door: Conversations | undefined
  const conversations = (): Conversations => {
    // Requests wait for the mesh, and the mesh is there before the door.
    if (door === undefined) throw new AskeeError('keys/not-started', 'the keys are not there yet')
    return door
  }
  const sealer = createSealer({ ...components, recipientKey: (node, use) => exchange.current(node, use) })
  const opener = createOpener({ ...components, self: identity.id })
  const sessions = createSessions(
    { ...components, sealer, conversations },
    { conversations: [COMPUTE, CONSENT] },
  )
  const sealed = { sessions, clock, timers }
  const forConsent = sealedMesh({ ...sealed, mesh }, { conv: CONSENT.conv, protocols: CONSENT_PROTOCOLS })

  return {
    mesh: sealedMesh(
      { ...sealed, mesh: forConsent },
      { conv: COMPUTE.conv, protocols: Object.values(PROTOCOLS) },
    ),
    mode: () => conversations().mode(),
    nextAlert: () => conversations().nextAlert(),
    alert: (bytes) => conversations().alert(bytes),
    async start() {
      const rules = {
        self: identity.id,
        enterBy: [owner, identity.id],
        leaveBy: [owner],
        critical: CRITICAL,
      }
      const onFreeze = (): void => sessions.endAll('mode')
      door = await openConversations({ ...components, sealer, opener, onFreeze }, rules)
      await sessions.start()
    },
    stop: () => sessions.stop(),
  }
}
