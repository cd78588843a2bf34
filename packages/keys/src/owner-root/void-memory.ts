import { decode, encode, errorText, type Logger, type NodeId, type Startable, type Timers } from '@askee/core'
import { z } from 'zod'
import type { PeerKeys } from '../hierarchy/peer-keys.ts'
import type { KeyStore } from '../key-store/index.ts'
import { nodeIdFromPublicKey, publicKeyFromNodeId } from '../node-id.ts'
import { MAX_KNOWN_VOIDS, type VoidTier } from './void-set.ts'

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
  const pending = new Set<VoidTier>()
  let unsubscribe = (): void => {}
  let cancel: (() => void) | undefined
  let lane: Promise<unknown> = Promise.resolve()

  let knownWritten = 0
  const content = (tier: VoidTier): Uint8Array => {
    const nodes = peerKeys.voids.list(tier)
    if (tier === 'known') {
      knownWritten = nodes.length
      return encode({ v: 1, keys: nodes.map((node) => publicKeyFromNodeId(node)) })
    }
    return encode({ v: 1, nodes: nodes.slice(-MAX_STRANGERS) })
  }
  const write = (tier: VoidTier): void => {
    pending.delete(tier)
    lane = lane
      .then(() => store.replace(VOID_MEMORY[tier], content(tier)))
      .catch((error: unknown) => {
        logger.warn({ error: errorText(error) }, 'void identities could not be written to disk')
        pending.add(tier)
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
    if (pending.size === 0) return
    // One that moved up from the strangers must stand there before it leaves their file.
    if (peerKeys.voids.list('known').length !== knownWritten) write('known')
    for (const tier of [...pending]) write(tier)
    pause()
  }
  return {
    async start() {
      const known = await store.read(VOID_MEMORY.known)
      if (known !== undefined) {
        const { keys } = decode(known, knownSchema, MAX_BYTES)
        knownWritten = keys.length
        peerKeys.recallVoid(keys.map(nodeIdFromPublicKey), 'known')
      }
      const strangers = await store.read(VOID_MEMORY.strangers)
      if (strangers !== undefined) {
        peerKeys.recallVoid(decode(strangers, strangersSchema, MAX_BYTES).nodes as NodeId[])
      }
      unsubscribe = peerKeys.onVoid((node, use) => {
        const tier = use === 'signing' ? peerKeys.voids.tierOf(node) : undefined
        if (tier === undefined) return
        pending.add(tier)
        if (tier === 'known') write('known')
        else if (cancel === undefined) flush()
      })
    },
    async stop() {
      unsubscribe()
      for (const tier of [...pending]) write(tier)
      await lane
      cancel?.()
      cancel = undefined
    },
  }
}
