import {
  type CampaignId,
  type Digest,
  type Fuel,
  isDigest,
  isErrorCode,
  type LeaseId,
  type NodeId,
} from '@askee/core'
import { publicKeyFromNodeId } from '@askee/keys'
import { isTrapCode, type TrapCode } from '@askee/wasm'
import { z } from 'zod'

/** Schemas of single fields, shared by all documents of this package. */

export const digestField = z.custom<Digest>(isDigest, 'expected a SHA-256 in hexadecimal')
export const campaignField = z.custom<CampaignId>(isDigest, 'expected a campaign id')
export const leaseField = z.custom<LeaseId>(
  (value) => typeof value === 'string' && /^[0-9a-f]{32}$/.test(value),
  'expected a lease id: 32 hexadecimal digits',
)
export const consentField = z.string().regex(/^[0-9a-f]{32}$/)
export const trapField = z.custom<TrapCode | null>(
  (value) => value === null || isTrapCode(value),
  'expected a trap code or null',
)
export const codeField = z.string().refine(isErrorCode, 'expected a code')
export const nodeField = z.custom<NodeId>((value) => {
  if (typeof value !== 'string') return false
  try {
    publicKeyFromNodeId(value)
    return true
  } catch {
    return false
  }
}, 'expected a node id')

/** Fuel: dag-cbor gives small integers as numbers and large ones as bigints; inside it is always a bigint. */
export const fuelField = z
  .union([z.number().int().nonnegative(), z.bigint().nonnegative()])
  .transform((value) => BigInt(value) as Fuel)
  .refine((value) => value < 1n << 63n, 'expected at most 63 bits')

/** `length` bytes exactly. */
export function bytesField(length: number) {
  return z.custom<Uint8Array>(
    (value) => value instanceof Uint8Array && value.byteLength === length,
    `expected ${length} bytes`,
  )
}

/** At most `max` bytes. */
export function blobField(max: number) {
  return z.custom<Uint8Array>(
    (value) => value instanceof Uint8Array && value.byteLength <= max,
    `expected at most ${max} bytes`,
  )
}
