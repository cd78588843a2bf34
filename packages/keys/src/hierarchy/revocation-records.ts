import {
  AskeeError,
  type Clock,
  decode,
  encode,
  errorText,
  type Logger,
  type Mesh,
  type Milliseconds,
  type NodeId,
  OwnRecords,
  type Timers,
} from '@askee/core'
import { z } from 'zod'
import { MAX_REVOCATION_BYTES, verifyKeyRevocation } from './documents.ts'
import type { KeyUse } from './uses.ts'

export interface RevocationRecordsComponents {
  readonly mesh: Mesh
  readonly clock: Clock
  readonly timers: Timers
  readonly logger: Logger
}

/** A node's revocations in the DHT, for whoever was away when they were told and finds the node gone. */
export interface RevocationRecords {
  /** Puts this node's newest revocation of each use; the mesh puts it again for as long as it holds. Never throws. */
  put(document: Uint8Array): Promise<void>
  /** Whether a node was not looked after for an hour, or for a minute since that failed. */
  isDue(node: NodeId): boolean
  /** A node was looked after. */
  looked(node: NodeId, outcome: 'done' | 'failed'): void
  /**
   * What a node's record holds, and no more than that it was signed by somebody. Empty when there is none.
   * @throws AskeeError when that cannot be known in five seconds
   */
  find(node: NodeId): Promise<readonly Uint8Array[]>
}

const NAMESPACE = 'key-revocations'
const NAME = 'all'
const QUORUM = 1
/** With the record's own fields and signature below 8 KiB. */
const MAX_VALUE_BYTES = 7000
/** A void identity holds for ever, a record does not; the mesh is told of it again at each start. */
const MAX_LIFE = 400 * 86_400_000
/** A lookup goes over a dozen nodes; who waits has a message to send. */
const FIND_TIMEOUT = 5000
/** As often as a node tells of its revocations again. */
const LOOK_PERIOD = 3_600_000
/** After a look that failed: who is offline waits five seconds a minute, and not with every message. */
const LOOK_RETRY = 60_000
/** Nodes of which it is remembered when they were looked after. */
const MAX_LOOKED_AFTER = 10_000
const ENVELOPE_BYTES = 256

const valueSchema = z
  .array(z.instanceof(Uint8Array).refine((one) => one.byteLength <= MAX_REVOCATION_BYTES + ENVELOPE_BYTES))
  .max(16)

export function createRevocationRecords(components: RevocationRecordsComponents): RevocationRecords {
  const { mesh, clock, timers, logger } = components
  const newest = new Map<KeyUse, { document: Uint8Array; sequence: number; until: number }>()
  /** When a node is to be looked after again. */
  const dueAt = new Map<NodeId, Milliseconds>()
  let recorded = ''
  const own = new OwnRecords(components)
  let lane: Promise<unknown> = Promise.resolve()

  const putAll = async (): Promise<void> => {
    const now = clock.now()
    // What voids the node itself comes first, then what holds longest.
    const held = [...newest.values()].filter(({ until }) => until > now).sort((a, b) => b.until - a.until)
    const documents: Uint8Array[] = []
    for (const { document } of held) {
      if (encode([...documents, document]).byteLength <= MAX_VALUE_BYTES) documents.push(document)
    }
    const value = encode(documents)
    const text = Buffer.from(value).toString('latin1')
    const [last] = held
    if (last === undefined || text === recorded) return
    const expires = Math.min(last.until, now + MAX_LIFE)
    await own.putNext({ namespace: NAMESPACE, name: NAME, value, expires }, { quorum: QUORUM })
    recorded = text
  }

  return {
    put(document) {
      const { revocation } = verifyKeyRevocation(document)
      const { use, until } = revocation
      const isNewest = revocation.sequence >= (newest.get(use)?.sequence ?? -1)
      if (isNewest) newest.set(use, { document, sequence: revocation.sequence, until })
      const turn = lane.then(putAll).catch((error: unknown) => {
        // It is told again within the hour, and then recorded.
        logger.debug({ error: errorText(error) }, 'revocations were not recorded')
      })
      lane = turn
      return turn
    },
    isDue(node) {
      const at = dueAt.get(node)
      return at === undefined || clock.monotonic() >= at
    },
    looked(node, outcome) {
      dueAt.delete(node)
      dueAt.set(node, clock.monotonic() + (outcome === 'done' ? LOOK_PERIOD : LOOK_RETRY))
      if (dueAt.size > MAX_LOOKED_AFTER) dueAt.delete(dueAt.keys().next().value as NodeId)
    },
    async find(node) {
      const limit = new AbortController()
      const cancel = timers.after(FIND_TIMEOUT, () =>
        limit.abort(new AskeeError('mesh/timeout', `no record of ${node} within ${FIND_TIMEOUT} ms`)),
      )
      try {
        const key = { namespace: NAMESPACE, owner: node, name: NAME }
        const record = await mesh.getRecord(key, { signal: limit.signal })
        return record === undefined ? [] : decode(record.value, valueSchema, MAX_VALUE_BYTES)
      } finally {
        cancel()
      }
    },
  }
}
