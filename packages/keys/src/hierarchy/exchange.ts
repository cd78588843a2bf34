import {
  AskeeError,
  decode,
  encode,
  errorText,
  type Logger,
  type Mesh,
  type NodeId,
  type ProtocolLimits,
  type ProtocolName,
  type Startable,
} from '@askee/core'
import { z } from 'zod'
import { type KeyBundle, MAX_BUNDLE_BYTES, MAX_REVOCATION_BYTES } from './documents.ts'
import type { KeyAnnouncer, KeyRing } from './key-ring.ts'
import type { PeerKeys } from './peer-keys.ts'
import type { RevocationRecords } from './revocation-records.ts'
import { type Announcement, decodeAnnouncement, encodeAnnouncement, KEYS_TOPIC } from './topic.ts'
import type { ChainUse } from './uses.ts'

/** Asks a node for its signed key documents. */
export const KEY_DOCUMENTS_PROTOCOL: ProtocolName = '/askee/keys/documents/1'

const MAX_DOCUMENTS = 16
const MAX_ANSWER_BYTES = 65_536
const LIMITS: ProtocolLimits = {
  maxRequestBytes: 16,
  maxResponseBytes: MAX_ANSWER_BYTES,
  ratePerSecond: 1,
  burst: 10,
  concurrency: 2,
}

const documents = (maxBytes: number): z.ZodType<Uint8Array[]> =>
  z.array(z.instanceof(Uint8Array).refine((one) => one.byteLength <= maxBytes)).max(MAX_DOCUMENTS)
const answerSchema = z.strictObject({
  revocations: documents(MAX_REVOCATION_BYTES + 256),
  bundles: documents(MAX_BUNDLE_BYTES + 256),
})

export interface KeyExchangeComponents {
  readonly mesh: Mesh
  readonly peerKeys: PeerKeys
  /** This node's own; `KeyRing.documents`. */
  readonly documents: KeyRing['documents']
  /** Left out: who was away learns of a revocation from the node itself or not at all. */
  readonly records?: RevocationRecords
  readonly logger: Logger
}

/** Carries keys between nodes: news by gossip, the rest when asked for. */
export interface KeyExchange extends Startable, KeyAnnouncer {
  /**
   * The key of a node for a use; when none is known the node is asked.
   * @throws AskeeError as `PeerKeys.current`, or a MeshErrorCode when it cannot be asked
   */
  current(node: NodeId, use: ChainUse, signal?: AbortSignal): Promise<KeyBundle>
  /** Asks a node for all its documents. What it did not sign, or is over, is left out. */
  fetch(node: NodeId, signal?: AbortSignal): Promise<void>
}

export function createKeyExchange(components: KeyExchangeComponents): KeyExchange {
  const { mesh, peerKeys, logger } = components
  const cancels: (() => void)[] = []

  const take = (kind: Announcement['kind'], document: Uint8Array, from: NodeId): void => {
    try {
      if (kind === 'bundle') peerKeys.acceptBundle(document, from)
      else if (kind === 'void') peerKeys.acceptVoid(document)
      else peerKeys.acceptRevocation(document, from)
    } catch (error) {
      if (!(error instanceof AskeeError)) throw error
      logger.debug({ from, kind, code: error.code }, 'a key document was refused')
    }
  }

  /** Looks under way: whoever else wants a key of the node waits for the same one. */
  const looks = new Map<NodeId, Promise<void>>()

  /** A node that is not here may have revoked its keys while this one was away: its record says so. Never throws. */
  const look = (node: NodeId): Promise<void> => {
    const { records } = components
    const underWay = looks.get(node)
    if (underWay !== undefined) return underWay
    if (records?.isDue(node) !== true) return Promise.resolve()
    const turn = lookAfter(node, records).finally(() => looks.delete(node))
    looks.set(node, turn)
    return turn
  }
  const lookAfter = async (node: NodeId, records: RevocationRecords): Promise<void> => {
    try {
      if (mesh.peers().includes(node)) await fetch(node)
      else for (const document of await records.find(node)) take('revocation', document, node)
      records.looked(node, 'done')
    } catch (error) {
      records.looked(node, 'failed')
      logger.debug({ node, error: errorText(error) }, 'a node was not looked after')
    }
  }

  const fetch = async (node: NodeId, signal?: AbortSignal): Promise<void> => {
    const options = { maxResponseBytes: MAX_ANSWER_BYTES, ...(signal === undefined ? {} : { signal }) }
    const bytes = await mesh.request(node, KEY_DOCUMENTS_PROTOCOL, new Uint8Array(0), options)
    const { revocations, bundles } = decode(bytes, answerSchema, MAX_ANSWER_BYTES)
    for (const document of revocations) take('revocation', document, node)
    for (const document of bundles) take('bundle', document, node)
  }

  return {
    async start() {
      cancels.push(
        mesh.subscribe(KEYS_TOPIC, ({ from, body }) => {
          if (from === mesh.self) return
          const { kind, document } = decodeAnnouncement(body)
          take(kind, document, from)
        }),
        mesh.handle(KEY_DOCUMENTS_PROTOCOL, LIMITS, async () => {
          const { revocations, bundles } = components.documents()
          return encode({
            revocations: revocations.slice(-MAX_DOCUMENTS),
            bundles: bundles.slice(0, MAX_DOCUMENTS),
          })
        }),
      )
    },
    async stop() {
      for (const cancel of cancels.splice(0)) cancel()
    },
    async announce(kind, document) {
      if (kind === 'revocation') void components.records?.put(document)
      await mesh.publish(KEYS_TOPIC, encodeAnnouncement(kind, document))
    },
    async current(node, use, signal) {
      await look(node)
      try {
        return peerKeys.current(node, use)
      } catch (error) {
        const isUnknown =
          error instanceof AskeeError && (error.code === 'keys/no-peer-key' || error.code === 'keys/revoked')
        if (!isUnknown) throw error
        logger.debug({ node, use, error: errorText(error) }, 'asking for a key')
      }
      await fetch(node, signal)
      return peerKeys.current(node, use)
    },
    fetch,
  }
}
