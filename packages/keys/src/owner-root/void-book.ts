import {
  AskeeError,
  type AuditSink,
  decode,
  encode,
  errorText,
  type Logger,
  type NodeId,
  type Random,
  type Startable,
  type Timers,
} from '@askee/core'
import { z } from 'zod'
import type { KeyAnnouncer } from '../hierarchy/key-ring.ts'
import type { PeerKeys } from '../hierarchy/peer-keys.ts'
import type { KeyStore } from '../key-store/index.ts'
import { type IdentityVoid, MAX_VOID_BYTES, verifyIdentityVoid } from './documents.ts'
import { MAX_TOLD_VOIDS } from './void-set.ts'

export interface VoidBookComponents {
  readonly store: KeyStore
  readonly peerKeys: PeerKeys
  readonly announcer: KeyAnnouncer
  /** Takes one act for each void that is on disk. */
  readonly audit?: AuditSink
  readonly timers: Timers
  readonly random: Random
  readonly logger: Logger
}

/** The identities that somebody at this node declared void by an owner root, told again and again: the lost node cannot. */
export interface VoidBook extends Startable {
  /**
   * Takes it here, tells the mesh, and keeps it. Resolves when it and its act in the audit log are on disk.
   * @throws AskeeError `keys/not-written` when it is in force and told, and the disk does not take it, which is tried again;
   * `keys/not-adopted`, `keys/revocation-forged`, `codec/*`, `signature/*`
   */
  publish(document: Uint8Array): Promise<IdentityVoid>
}

/** Name in the key store. */
export const VOID_BOOK = 'identity-voids'
/** Each is told once in this time, as revocations of a node's own keys are. */
const REMIND_PERIOD = 3_600_000
/** Told at once: the topic takes 20 messages of an author, of which the node's own keys need eight; then one in 20 seconds. */
const FIRST_TOLD = 8
const SIGNATURE_BYTES = 256
const keptSchema = z.array(z.instanceof(Uint8Array)).max(MAX_TOLD_VOIDS)

interface Kept {
  readonly node: NodeId
  readonly document: Uint8Array
}

/** One for each node: any of them says all. The same ones in the same order as `PeerKeys` holds those told here. */
function withNewest(kept: readonly Kept[], node: NodeId, document: Uint8Array): readonly Kept[] {
  return [...kept.filter((one) => one.node !== node), { node, document }].slice(-MAX_TOLD_VOIDS)
}

export function createVoidBook(components: VoidBookComponents): VoidBook {
  const { store, peerKeys, announcer, audit, timers, random, logger } = components
  let kept: readonly Kept[] = []
  let cancel = (): void => {}
  let lane: Promise<unknown> = Promise.resolve()

  const tell = (document: Uint8Array): void => {
    announcer.announce('void', document).catch((error: unknown) => {
      logger.warn({ error: errorText(error) }, 'nobody could be told of a void identity')
    })
  }
  // Each has its place in the period, and a start begins anywhere: an agent that never runs for an hour tells all of them too.
  let place = 0
  const tellNext = (): 'told' | 'none' => {
    const next = kept[place]
    place = (place + 1) % MAX_TOLD_VOIDS
    if (next === undefined) return 'none'
    tell(next.document)
    return 'told'
  }
  // What stands on disk: a void that the disk did not take is in force and told all the same, and tried again.
  let written = kept
  const unsaid = new Map<NodeId, IdentityVoid>()
  const write = async (): Promise<void> => {
    if (written !== kept) {
      const next = kept
      await store.replace(VOID_BOOK, encode(next.map(({ document }) => document)))
      written = next
    }
    for (const { node, root, reason } of unsaid.values()) {
      const content = { node, root, reason }
      await audit?.append({ action: 'key.identity-voided', subject: 'system', outcome: 'done', content })
      unsaid.delete(node)
    }
  }
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const turn = lane.then(work)
    lane = turn.catch(() => undefined)
    return turn
  }
  return {
    async start() {
      const bytes = await store.read(VOID_BOOK)
      const maxBytes = MAX_TOLD_VOIDS * (MAX_VOID_BYTES + SIGNATURE_BYTES)
      for (const document of bytes === undefined ? [] : decode(bytes, keptSchema, maxBytes)) {
        kept = withNewest(kept, verifyIdentityVoid(document).node, document)
      }
      written = kept
      // Judged when they came: that the clock was set back since neither keeps the agent from starting nor makes them valid.
      peerKeys.recallVoid(
        kept.map(({ node }) => node),
        'told',
      )
      place = (random.bytes(1)[0] as number) % MAX_TOLD_VOIDS
      for (let told = 0, at = 0; told < FIRST_TOLD && at < MAX_TOLD_VOIDS; at += 1) {
        if (tellNext() === 'told') told += 1
      }
      cancel = timers.every(REMIND_PERIOD / MAX_TOLD_VOIDS, () => {
        tellNext()
        inTurn(write).catch((error: unknown) => {
          logger.warn({ error: errorText(error) }, 'a void identity could not be written to disk')
        })
      })
    },
    async stop() {
      cancel()
      await lane
    },
    publish: (document) =>
      inTurn(async () => {
        const found = verifyIdentityVoid(document)
        peerKeys.acceptVoid(document, 'person')
        tell(document)
        kept = withNewest(kept, found.node, document)
        unsaid.set(found.node, found)
        await write().catch((cause: unknown) => {
          throw notWritten(found.node, cause)
        })
        return found
      }),
  }
}

function notWritten(node: NodeId, cause: unknown): AskeeError {
  return new AskeeError(
    'keys/not-written',
    `${node} is void here and the mesh was told. The disk did not take it: ${errorText(cause)}. Free some: the agent tries again every few minutes until it stops, and publishing it once more shows whether it is kept.`,
    { node },
    { cause },
  )
}
