import type { Clock } from '@askee/core'
import type { KadDHT } from '@libp2p/kad-dht'
import { newest, type StoredRecord } from './codec.ts'
import { validRecord } from './validator.ts'

/**
 * The newest valid record that anybody asked answers with. kad-dht's own choice is not waited for: one peer
 * that holds an old record and refuses the correction makes `get()` throw before it yields (measured).
 */
export async function collectRecord(
  dht: KadDHT,
  key: Uint8Array,
  clock: Clock,
  signal: AbortSignal,
): Promise<StoredRecord | undefined> {
  const found: StoredRecord[] = []
  const take = (value: Uint8Array): void => {
    const record = validRecord(key, value, clock)
    if (record !== undefined) found.push(record)
  }
  try {
    for await (const event of dht.get(key, { signal })) {
      if (event.name === 'VALUE') take(event.value)
      if (event.name === 'PEER_RESPONSE' && event.record !== undefined) take(event.record.value)
    }
  } catch (error) {
    if (signal.aborted && found.length === 0) throw error
  }
  return newest(found)
}
