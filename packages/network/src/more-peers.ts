import { type Random, shuffled, type Timers } from '@askee/core'
import type { PeerId, PeerStore } from '@libp2p/interface'
import { type KadDHT, MessageType, type QueryEvent } from '@libp2p/kad-dht'
import { withDeadline } from './deadline.ts'
import { DHT_MESSAGE_TIMEOUT_MS } from './defaults.ts'

const KEY_BYTES = 32
/** A node of ours names at most twenty, the size of a Kademlia bucket; who names more would fill the memory of peers with his own. */
const MOST_NAMED = 20
const MOST_ADDRESSES = 8
/** Of a lookup that has one path with one message. */
const ALONE = { index: 0, queued: 0, running: 1, total: 1 }

/** What kad-dht's implementation has beyond its interface. */
interface DhtInternals {
  readonly network: {
    sendRequest(
      to: PeerId,
      message: { type: MessageType; key: Uint8Array },
      options: { path: typeof ALONE; signal: AbortSignal },
    ): AsyncGenerator<QueryEvent>
  }
}

/**
 * Asks one connected node for others: those that it knows closest to a random key, so that not everybody hears of the same
 * ones. One message, where a lookup would dial its way through the network. Who is named is only remembered.
 * @param connected one of them, at random, is asked
 */
export async function hearOfPeers(
  node: { readonly dht: KadDHT; readonly peerStore: PeerStore; readonly self: string },
  connected: readonly PeerId[],
  { random, timers }: { readonly random: Random; readonly timers: Timers },
): Promise<void> {
  const [asked] = shuffled(connected, random)
  if (asked === undefined) return
  const { network } = node.dht as unknown as DhtInternals
  const message = { type: MessageType.FIND_NODE, key: random.bytes(KEY_BYTES) }
  await withDeadline(timers, DHT_MESSAGE_TIMEOUT_MS, undefined, async (signal) => {
    for await (const event of network.sendRequest(asked, message, { path: ALONE, signal })) {
      if (event.name !== 'PEER_RESPONSE') continue
      for (const { id, multiaddrs } of event.closer.slice(0, MOST_NAMED)) {
        if (signal.aborted) return
        // Of who is known already its own word counts, and that of the DHT: addresses made up by a third would crowd them out.
        if (id.toString() === node.self || multiaddrs.length === 0 || (await node.peerStore.has(id))) continue
        await node.peerStore.merge(id, { multiaddrs: multiaddrs.slice(0, MOST_ADDRESSES) })
      }
    }
  })
}
