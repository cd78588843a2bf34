import {
  type AuditSink,
  type Clock,
  type Logger,
  type Mesh,
  type NodeId,
  type Random,
  type Startable,
  startAll,
  type Timers,
} from '@askee/core'
import {
  CHAIN_USES,
  type ChainUse,
  createKeyExchange,
  createKeyRing,
  createPeerKeys,
  createRevocationRecords,
  createVoidBook,
  createVoidMemory,
  type Identity,
  type KeyBundle,
  type KeyRing,
  type KeyStore,
  type VoidBook,
} from '@askee/keys'
import { createNodeConversations, type NodeConversations } from './conversations.ts'
import { recordKeyActs } from './key-acts.ts'

export interface NodeKeysComponents {
  readonly identity: Identity
  /** Id of the person's key. */
  readonly owner: NodeId
  readonly store: KeyStore
  readonly mesh: Mesh
  readonly audit: AuditSink
  readonly clock: Clock
  readonly timers: Timers
  readonly random: Random
  readonly logger: Logger
  /** Whether this node has business with a peer, which then comes before strangers; asked once it runs. */
  readonly isKnown: (peer: NodeId) => boolean
  /** Whether the owner let a peer in, or a root is the owner's: that they are void is not forgotten for others. */
  readonly isAdmitted: (id: NodeId) => boolean
}

/** This node's own keys and what it knows of others'. */
export interface NodeKeys extends Startable {
  /** What is said under these keys. */
  readonly conversations: NodeConversations
  keys(): ReturnType<KeyRing['keys']>
  /** New keys now; the old ones open what is under way for their grace. Written into the audit log. */
  rotate(uses?: readonly ChainUse[]): Promise<void>
  /**
   * Voids every key of the uses (default: all), makes new ones and tells the mesh.
   * @param reason for the audit log alone; others hear that the keys are compromised
   */
  emergency(reason: string, uses?: readonly ChainUse[]): Promise<void>
  /** Identities declared void by an owner root; started and stopped by its owner, after these. */
  readonly voids: VoidBook
  /** What this node would seal to now, without asking anybody. @throws AskeeError as `PeerKeys.current` */
  known(node: NodeId, use: ChainUse): KeyBundle
  /** Asks a node for its keys. @throws AskeeError a MeshErrorCode when it cannot be asked */
  ask(node: NodeId, signal?: AbortSignal): Promise<void>
}

/** The ring and its exchange, as one part: the exchange listens before the ring tells, and until after it stopped. */
export function createNodeKeys(components: NodeKeysComponents): NodeKeys {
  const { mesh, clock, logger, audit } = components
  const peerKeys = createPeerKeys(clock, undefined, components.isAdmitted)
  const exchange = createKeyExchange({
    mesh,
    peerKeys,
    documents: () => ring.documents(),
    records: createRevocationRecords(components),
    logger,
  })
  const acts = recordKeyActs(audit, () => ring)
  const ring: KeyRing = createKeyRing({ ...components, audit: acts.sink, announcer: exchange })
  ring.onMade((_, kid) => acts.made(kid))
  const conversations = createNodeConversations({ ...components, keyRing: ring, peerKeys, exchange })
  let stopAll = async (): Promise<void> => {}

  return {
    conversations,
    async start(signal) {
      stopAll = await startAll(
        [createVoidMemory({ ...components, peerKeys }), exchange, ring, conversations],
        signal,
      )
    },
    stop: () => stopAll(),
    keys: () => ring.keys(),
    async rotate(uses = CHAIN_USES) {
      await acts.during('asked', async () => {
        for (const use of uses) await ring.rotate(use)
      })
    },
    async emergency(reason, uses = CHAIN_USES) {
      const told = { uses: uses.join(' '), reason }
      const writeDown = (outcome: 'done' | 'failed') =>
        audit.append({ action: 'key.emergency', subject: 'system', outcome, content: told })
      // The keys first: a log that cannot be written must not keep a stolen key alive.
      try {
        await acts.during('emergency', () => ring.emergency('compromised', uses))
      } catch (error) {
        await writeDown('failed').catch(() => undefined)
        throw error
      }
      await writeDown('done')
    },
    voids: createVoidBook({ ...components, peerKeys, announcer: exchange }),
    known: (node, use) => peerKeys.current(node, use),
    ask: (node, signal) => exchange.fetch(node, signal),
  }
}
