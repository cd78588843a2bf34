import { bytesEqual } from '@askee/core'
import type { KadDHT } from '@libp2p/kad-dht'

/**
 * Stores at the closest nodes and counts who confirmed: kad-dht's put succeeds silently when nobody does.
 * The own copy is not counted.
 * @throws AskeeError `mesh/stale-record` when a newer version is held here
 */
export async function storeRecord(
  dht: KadDHT,
  key: Uint8Array,
  bytes: Uint8Array,
  signal: AbortSignal,
): Promise<number> {
  const confirmed = new Set<string>()
  for await (const event of dht.put(key, bytes, { signal })) {
    if (event.name !== 'PEER_RESPONSE' || event.messageName !== 'PUT_VALUE') continue
    if (event.record !== undefined && bytesEqual(event.record.value, bytes)) {
      confirmed.add(event.from.toString())
    }
  }
  return confirmed.size
}
