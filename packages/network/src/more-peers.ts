import { AskeeError, type Random, shuffled, type Timers } from '@askee/core'
import type { PeerId, PeerInfo } from '@libp2p/interface'
import { type KadDHT, MessageType, type QueryEvent } from '@libp2p/kad-dht'
import { withDeadline } from './deadline.ts'
import { DHT_MESSAGE_TIMEOUT_MS, REPLICATION } from './defaults.ts'

const KEY_BYTES = 32
/** Addresses of one name: an honest node has a few, of two protocols and some networks. */
const MOST_ADDRESSES = 8
/** Of a lookup that has one path with one message. */
const ALONE = { index: 0, queued: 0, running: 1, total: 1 }

interface Answer {
  closer: unknown[]
  providers: unknown[]
}

/** What kad-dht's implementation has beyond its interface. */
interface DhtNetwork {
  sendRequest(
    to: PeerId,
    message: { type: MessageType; key: Uint8Array },
    options: { path: typeof ALONE; signal: AbortSignal },
  ): AsyncGenerator<QueryEvent>
  _writeReadMessage(...what: unknown[]): Promise<Answer>
  safeDispatchEvent(type: string, init: { detail: unknown }): boolean
}

/**
 * Bounds what one answer of the DHT may name: as many nodes as a bucket has, with some addresses each. kad-dht looks for and has
 * libp2p remember whatever an answer names, megabytes of made-up nodes too. Its network is not part of its interface; without
 * it a start fails rather than going unguarded.
 * @throws AskeeError `mesh/internal` when kad-dht is built otherwise
 */
export function limitNames(dht: KadDHT): void {
  const network = networkOf(dht)
  const read = network._writeReadMessage?.bind(network)
  const dispatch = network.safeDispatchEvent?.bind(network)
  if (read === undefined || dispatch === undefined) {
    throw new AskeeError('mesh/internal', 'expected the network of kad-dht, received another version')
  }
  network._writeReadMessage = async (...what) => {
    const answer = await read(...what)
    return { ...answer, closer: answer.closer.slice(0, REPLICATION), providers: [] }
  }
  let named = 0
  network.safeDispatchEvent = (type, init) => {
    if (type !== 'peer') return dispatch(type, init)
    // All names of one answer are announced in one turn, before it is returned.
    if (named === 0) queueMicrotask(() => (named = 0))
    if (++named > REPLICATION) return false
    const peer = init.detail as PeerInfo
    return dispatch(type, { detail: { ...peer, multiaddrs: peer.multiaddrs.slice(0, MOST_ADDRESSES) } })
  }
}

/**
 * Asks one connected node for others: those that it knows closest to a random key, so that not everybody hears of the same
 * ones. One message, where a lookup would dial its way through the network. Who is named is only remembered, by kad-dht.
 * @param connected one of them, at random, is asked
 */
export async function hearOfPeers(
  dht: KadDHT,
  connected: readonly PeerId[],
  { random, timers }: { readonly random: Random; readonly timers: Timers },
): Promise<void> {
  const [asked] = shuffled(connected, random)
  if (asked === undefined) return
  const message = { type: MessageType.FIND_NODE, key: random.bytes(KEY_BYTES) }
  await withDeadline(timers, DHT_MESSAGE_TIMEOUT_MS, undefined, async (signal) => {
    for await (const event of networkOf(dht).sendRequest(asked, message, { path: ALONE, signal })) {
      if (event.name === 'PEER_RESPONSE') return
    }
  })
}

function networkOf(dht: KadDHT): DhtNetwork {
  return (dht as unknown as { network: DhtNetwork }).network
}
