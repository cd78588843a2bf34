import { decode, encode, errorText, type Logger, type NodeId, type Startable, type Timers } from '@askee/core'
import { z } from 'zod'
import type { PeerKeys } from '../hierarchy/peer-keys.ts'
import type { KeyStore } from '../key-store/index.ts'

export interface VoidMemoryComponents {
  readonly store: KeyStore
  readonly peerKeys: PeerKeys
  readonly timers: Timers
  readonly logger: Logger
}

const NAME = 'void-nodes'
/** The newest ones: what a secret of the key store holds (64 KiB) at 60 bytes each. */
const MAX_NODES = 1000
const MAX_BYTES = 65_536
/** A flood of news costs one write in this time. */
const WRITE_DELAY = 10_000
const keptSchema = z.strictObject({ v: z.literal(1), nodes: z.array(z.string().max(64)).max(MAX_NODES) })

/**
 * Remembers over a restart which identities were declared void, by themselves or by an owner root: a thief would otherwise
 * be believed until somebody tells it again. Starts before anything that hears of keys.
 */
export function createVoidMemory({ store, peerKeys, timers, logger }: VoidMemoryComponents): Startable {
  let nodes: NodeId[] = []
  let unsubscribe = (): void => {}
  let cancel: (() => void) | undefined
  let lane: Promise<unknown> = Promise.resolve()

  const write = (): Promise<unknown> => {
    cancel?.()
    cancel = undefined
    lane = lane
      .then(() => store.replace(NAME, encode({ v: 1, nodes })))
      .catch((error: unknown) => {
        logger.warn({ error: errorText(error) }, 'void identities could not be written to disk')
      })
    return lane
  }
  return {
    async start() {
      const bytes = await store.read(NAME)
      nodes = bytes === undefined ? [] : (decode(bytes, keptSchema, MAX_BYTES).nodes as NodeId[])
      peerKeys.recallVoid(nodes)
      unsubscribe = peerKeys.onVoid((node, use) => {
        if (use !== 'signing') return
        nodes = [...nodes, node].slice(-MAX_NODES)
        cancel ??= timers.after(WRITE_DELAY, () => void write())
      })
    },
    async stop() {
      unsubscribe()
      if (cancel !== undefined) await write()
      await lane
    },
  }
}
