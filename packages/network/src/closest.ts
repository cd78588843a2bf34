import { createHash } from 'node:crypto'
import type { NodeId, Timers } from '@askee/core'
import type { PeerId } from '@libp2p/interface'
import type { KadDHT } from '@libp2p/kad-dht'
import { withDeadline } from './deadline.ts'
import { DHT_TIMEOUT_MS } from './defaults.ts'

/** The nodes closest to `key` that answer, nearest first, by Kademlia over sha256(peer id) and sha256(key). */
export async function closestPeers(
  dht: KadDHT,
  timers: Timers,
  key: Uint8Array,
  count: number,
  signal?: AbortSignal,
): Promise<NodeId[]> {
  const peers = new Map<string, PeerId>()
  await withDeadline(timers, DHT_TIMEOUT_MS, signal, async (limit) => {
    for await (const event of dht.getClosestPeers(key, { signal: limit })) {
      if (event.name === 'FINAL_PEER') peers.set(event.peer.id.toString(), event.peer.id)
    }
  })
  const target = sha256(key)
  return [...peers]
    .map(([id, peer]) => ({
      id: id as NodeId,
      distance: sha256(peer.toMultihash().bytes).map((byte, i) => byte ^ (target[i] as number)),
    }))
    .sort((a, b) => Buffer.compare(a.distance, b.distance))
    .slice(0, count)
    .map(({ id }) => id)
}

function sha256(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest()
}
