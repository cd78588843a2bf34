import { AskeeError, type Clock, type NodeId } from '@askee/core'
import type { PeerId } from '@libp2p/interface'
import { type KadDHT, MessageType } from '@libp2p/kad-dht'
import {
  DHT_BURST,
  DHT_PUT_BURST,
  DHT_PUTS_PER_SECOND,
  DHT_REQUESTS_PER_SECOND,
  OFFENCE_OVER_RATE,
} from '../defaults.ts'
import { TokenBuckets } from '../limits.ts'
import type { Offences } from '../offences.ts'

interface Handler {
  handle(peer: PeerId, message: unknown): Promise<unknown>
}

/**
 * Gives every sender of DHT messages a bucket, and a smaller one for those that cost a signature check: kad-dht answers
 * whatever comes. Its table of handlers is not part of its interface; without it a start fails rather than going
 * unguarded.
 * @throws AskeeError `mesh/internal` when kad-dht is built otherwise
 */
export function limitSenders(dht: KadDHT, offences: Offences, clock: Clock): void {
  const inside = dht as unknown as { rpc?: { handlers?: Record<string, Handler> } }
  const handlers = inside.rpc?.handlers
  if (handlers === undefined || Object.values(handlers).some((one) => typeof one?.handle !== 'function')) {
    throw new AskeeError('mesh/internal', 'expected the handlers of kad-dht, received another version')
  }
  const requests = new TokenBuckets({ perSecond: DHT_REQUESTS_PER_SECOND, burst: DHT_BURST }, clock)
  const puts = new TokenBuckets({ perSecond: DHT_PUTS_PER_SECOND, burst: DHT_PUT_BURST }, clock)
  for (const [type, handler] of Object.entries(handlers)) {
    const costly = type === String(MessageType.PUT_VALUE)
    handlers[type] = {
      async handle(peer, message) {
        if (type === String(MessageType.ADD_PROVIDER)) {
          throw new AskeeError('mesh/refused', 'blocks are not announced')
        }
        const from = peer.toString() as NodeId
        if (!requests.take(from) || (costly && !puts.take(from))) {
          offences.note(from, OFFENCE_OVER_RATE, 'more DHT messages than allowed')
          throw new AskeeError('mesh/rate-limited', 'slow down')
        }
        return handler.handle(peer, message)
      },
    }
  }
}
