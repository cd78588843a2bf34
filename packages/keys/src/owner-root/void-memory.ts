import { decode, encode, errorText, type Logger, type NodeId, type Startable, type Timers } from '@askee/core'
import { z } from 'zod'
import type { PeerKeys } from '../hierarchy/peer-keys.ts'
import type { KeyStore } from '../key-store/index.ts'
import { nodeIdFromPublicKey, publicKeyFromNodeId } from '../node-id.ts'
import { MAX_KNOWN_VOIDS } from './void-set.ts'

export interface VoidMemoryComponents {
  readonly store: KeyStore
  readonly peerKeys: PeerKeys
  readonly timers: Timers
  readonly logger: Logger
}

/** Names in the key store. */
export const VOID_MEMORY = { known: 'void-known', strangers: 'void-nodes' } as const
/** The newest ones: what a secret of the key store holds (64 KiB) at 60 bytes each. */
const MAX_STRANGERS = 1000
const MAX_BYTES = 65_536
/** A flood of strangers costs one write in this time. */
const WRITE_PAUSE = 10_000
const strangersSchema = z.strictObject({
  v: z.literal(1),
  nodes: z.array(z.string().max(64)).max(MAX_STRANGERS),
})
/** As keys, which take half of the room: a backup holds them. */
const knownSchema = z.strictObject({
  v: z.literal(1),
  keys: z.array(z.instanceof(Uint8Array)).max(MAX_KNOWN_VOIDS),
})

/**
 * Remembers over a restart which identities were declared void, by themselves or by an owner root: a thief would otherwise
 * be believed until somebody tells it again. Those of known nodes are written at once, and of strangers the first; the others
 * of a flood within ten seconds. Starts before anything that hears of keys.
 */
export function createVoidMemory({ store, peerKeys, timers, logger }: VoidMemoryComponents): Startable {
  let areStrangersNew = false
  let knownWritten = ''
  let unsubscribe = (): void => {}
  let cancel: (() => void) | undefined
  let lane: Promise<unknown> = Promise.resolve()

  const known = (): string => peerKeys.voids.list('known').join(' ')
  const writeKnown = async (): Promise<void> => {
    const next = known()
    if (next === knownWritten) return
    const keys = peerKeys.voids.list('known').map((node) => publicKeyFromNodeId(node))
    await store.replace(VOID_MEMORY.known, encode({ v: 1, keys }))
    knownWritten = next
  }
  const writeAll = async (): Promise<void> => {
    const areNew = areStrangersNew
    areStrangersNew = false
    const nodes = peerKeys.voids.list('strangers').slice(-MAX_STRANGERS)
    try {
      // First: one that moved up from the strangers must stand there before it leaves their file.
      await writeKnown()
      if (areNew) await store.replace(VOID_MEMORY.strangers, encode({ v: 1, nodes }))
    } catch (error) {
      areStrangersNew ||= areNew
      throw error
    }
  }
  const inTurn = (work: () => Promise<void>): void => {
    lane = lane.then(work).catch((error: unknown) => {
      logger.warn({ error: errorText(error) }, 'void identities could not be written to disk')
      pause()
    })
  }
  const pause = (): void => {
    cancel ??= timers.after(WRITE_PAUSE, () => {
      cancel = undefined
      flush()
    })
  }
  const flush = (): void => {
    if (!areStrangersNew && known() === knownWritten) return
    inTurn(writeAll)
    pause()
  }
  return {
    async start() {
      const written = await store.read(VOID_MEMORY.known)
      if (written !== undefined) {
        const { keys } = decode(written, knownSchema, MAX_BYTES)
        peerKeys.recallVoid(keys.map(nodeIdFromPublicKey), 'known')
        knownWritten = known()
      }
      const strangers = await store.read(VOID_MEMORY.strangers)
      if (strangers !== undefined) {
        peerKeys.recallVoid(decode(strangers, strangersSchema, MAX_BYTES).nodes as NodeId[])
      }
      unsubscribe = peerKeys.onVoid((node, use) => {
        const tier = use === 'signing' ? peerKeys.voids.tierOf(node) : undefined
        if (tier === 'known') inTurn(writeKnown)
        if (tier !== 'strangers') return
        areStrangersNew = true
        if (cancel === undefined) flush()
      })
    },
    async stop() {
      unsubscribe()
      inTurn(writeAll)
      await lane
      cancel?.()
      cancel = undefined
    },
  }
}
