import type { Clock } from '@askee/core'
import type { KadDHTInit } from '@libp2p/kad-dht'
import { DHT_NAMESPACE } from '../defaults.ts'
import { decodeRecord, newest, type StoredRecord } from './codec.ts'

/** The validator and the selector of our namespace; kad-dht needs both. */
export function recordRules(clock: Clock): Required<Pick<KadDHTInit, 'validators' | 'selectors'>> {
  return {
    validators: {
      [DHT_NAMESPACE]: (key, value) => {
        decodeRecord(key, value, clock.now())
      },
    },
    selectors: {
      [DHT_NAMESPACE]: (key, values) => {
        const valid = values.flatMap((value) => validRecord(key, value, clock) ?? [])
        const best = newest(valid)
        return best === undefined ? 0 : values.indexOf(best.bytes)
      },
    },
  }
}

/** The record, or undefined when it is not valid. */
export function validRecord(key: Uint8Array, value: Uint8Array, clock: Clock): StoredRecord | undefined {
  try {
    return decodeRecord(key, value, clock.now())
  } catch {
    return undefined
  }
}
