import {
  AskeeError,
  bytesEqual,
  type Clock,
  type RecordKey,
  type SignedRecord,
  type Timers,
} from '@askee/core'
import type { Identity } from '@askee/keys'
import type { KadDHT } from '@libp2p/kad-dht'
import { withDeadline } from '../deadline.ts'
import { DHT_TIMEOUT_MS } from '../defaults.ts'
import { dhtKey, encodeRecord } from './codec.ts'
import { collectRecord } from './get.ts'
import { storeRecord } from './put.ts'
import type { RecordUpkeep } from './upkeep.ts'

export interface RecordsComponents {
  readonly identity: Identity
  readonly dht: KadDHT
  readonly clock: Clock
  readonly timers: Timers
  readonly upkeep: RecordUpkeep
}

/** Signed records in the DHT. */
export class Records {
  readonly #components: RecordsComponents

  constructor(components: RecordsComponents) {
    this.#components = components
  }

  put(
    draft: Omit<SignedRecord, 'owner'>,
    options: { quorum: number; signal?: AbortSignal },
  ): Promise<{ acknowledged: number }> {
    return withDeadline(this.#components.timers, DHT_TIMEOUT_MS, options.signal, (signal) =>
      this.#put(draft, options.quorum, signal),
    )
  }

  get(key: RecordKey, options: { signal?: AbortSignal } = {}): Promise<SignedRecord | undefined> {
    const { dht, clock, timers } = this.#components
    return withDeadline(timers, DHT_TIMEOUT_MS, options.signal, async (signal) => {
      const found = await collectRecord(dht, dhtKey(key), clock, signal)
      return found?.record
    })
  }

  async #put(
    draft: Omit<SignedRecord, 'owner'>,
    quorum: number,
    signal: AbortSignal,
  ): Promise<{ acknowledged: number }> {
    const { identity, dht, clock, upkeep } = this.#components
    const { record, bytes } = encodeRecord(identity, draft)
    if (record.expires <= clock.now()) throw new AskeeError('mesh/invalid-record', 'the record has expired')
    const key = dhtKey(record)
    const acknowledged = await storeRecord(dht, key, bytes, signal)
    upkeep.remember(key, bytes)
    if (acknowledged >= quorum) return { acknowledged }
    const known = await collectRecord(dht, key, clock, signal)
    if (known !== undefined && !bytesEqual(known.bytes, bytes) && known.record.sequence >= record.sequence) {
      throw new AskeeError(
        'mesh/stale-record',
        `expected a sequence above ${known.record.sequence}, received ${record.sequence}`,
      )
    }
    throw new AskeeError('mesh/no-quorum', `expected ${quorum} acknowledgements, received ${acknowledged}`, {
      acknowledged,
    })
  }
}
