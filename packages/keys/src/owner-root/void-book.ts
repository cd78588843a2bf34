import { bytesEqual, decode, encode, errorText, type Logger, type Startable, type Timers } from '@askee/core'
import { z } from 'zod'
import type { KeyAnnouncer } from '../hierarchy/key-ring.ts'
import type { PeerKeys } from '../hierarchy/peer-keys.ts'
import type { KeyStore } from '../key-store/index.ts'
import { type IdentityVoid, MAX_VOID_BYTES, verifyIdentityVoid } from './documents.ts'

export interface VoidBookComponents {
  readonly store: KeyStore
  readonly peerKeys: PeerKeys
  readonly announcer: KeyAnnouncer
  readonly timers: Timers
  readonly logger: Logger
}

/** The identities that somebody at this node declared void by an owner root, told again and again: the lost node cannot. */
export interface VoidBook extends Startable {
  /**
   * Takes it here, keeps it, and tells the mesh. Resolves when it is on disk.
   * @throws AskeeError `keys/not-adopted`, `codec/*`, `signature/*`
   */
  publish(document: Uint8Array): Promise<IdentityVoid>
}

const NAME = 'identity-voids'
/** As for revocations of a node's own keys. */
const REMIND_PERIOD = 3_600_000
/** The last ones; a person has some machines. */
const MAX_KEPT = 32
const SIGNATURE_BYTES = 256
const keptSchema = z.array(z.instanceof(Uint8Array)).max(MAX_KEPT)

export function createVoidBook(components: VoidBookComponents): VoidBook {
  const { store, peerKeys, announcer, timers, logger } = components
  let kept: Uint8Array[] = []
  let cancel = (): void => {}
  let lane: Promise<unknown> = Promise.resolve()

  const tell = (document: Uint8Array): void => {
    announcer.announce('void', document).catch((error: unknown) => {
      logger.warn({ error: errorText(error) }, 'nobody could be told of a void identity')
    })
  }
  return {
    async start() {
      const bytes = await store.read(NAME)
      kept =
        bytes === undefined ? [] : decode(bytes, keptSchema, MAX_KEPT * (MAX_VOID_BYTES + SIGNATURE_BYTES))
      for (const document of kept) {
        try {
          peerKeys.acceptVoid(document)
        } catch (error) {
          // It was judged when it came; a clock that was set back since must not keep the agent from starting.
          logger.warn({ error: errorText(error) }, 'a void identity that is kept is not taken now')
        }
        tell(document)
      }
      cancel = timers.every(REMIND_PERIOD, () => kept.forEach(tell))
    },
    async stop() {
      cancel()
      await lane
    },
    publish(document) {
      const turn = lane.then(async () => {
        const found = verifyIdentityVoid(document)
        peerKeys.acceptVoid(document)
        if (!kept.some((held) => bytesEqual(held, document))) {
          kept = [...kept, document].slice(-MAX_KEPT)
          await store.replace(NAME, encode(kept))
        }
        tell(document)
        return found
      })
      lane = turn.catch(() => undefined)
      return turn
    },
  }
}
