import * as dagCbor from '@ipld/dag-cbor'
import type { z } from 'zod'
import { bytesEqual } from './bytes.ts'
import { AskeeError } from './errors.ts'

/** Codes thrown while bytes from outside are parsed. */
export type CodecErrorCode = 'codec/too-large' | 'codec/malformed' | 'codec/not-canonical' | 'codec/schema'

/** Canonical dag-cbor of `value` (RFC 8949 deterministic form, integers and map keys in one order only). */
export function encode(value: unknown): Uint8Array {
  return dagCbor.encode(value)
}

/**
 * A value from bytes that came from a peer, a file or a person.
 *
 * Checked in this order: size, well-formedness, canonical form (`encode(decode(b)) == b`, so that one
 * document has one digest and one signature), schema.
 * @param maxBytes largest accepted size
 * @throws AskeeError `codec/*`
 */
export function decode<S extends z.ZodType>(bytes: Uint8Array, schema: S, maxBytes: number): z.output<S> {
  if (bytes.byteLength > maxBytes) {
    throw new AskeeError(
      'codec/too-large',
      `expected at most ${maxBytes} bytes, received ${bytes.byteLength}`,
    )
  }
  let value: unknown
  try {
    value = dagCbor.decode(bytes)
  } catch (cause) {
    throw new AskeeError(
      'codec/malformed',
      'expected dag-cbor, received bytes that do not decode',
      {},
      { cause },
    )
  }
  let again: Uint8Array
  try {
    again = dagCbor.encode(value)
  } catch (cause) {
    throw new AskeeError('codec/not-canonical', 'the value cannot be encoded again', {}, { cause })
  }
  if (!bytesEqual(bytes, again)) {
    throw new AskeeError(
      'codec/not-canonical',
      'expected canonical dag-cbor, received another form of the same value',
    )
  }
  return parse(value, schema)
}

/**
 * A value checked against its schema.
 * @throws AskeeError `codec/schema` naming the first offending field
 */
export function parse<S extends z.ZodType>(value: unknown, schema: S): z.output<S> {
  const result = schema.safeParse(value)
  if (!result.success) {
    const issue = result.error.issues[0]
    const where = issue === undefined || issue.path.length === 0 ? 'the document' : issue.path.join('.')
    throw new AskeeError('codec/schema', `${where}: ${issue?.message ?? 'does not fit the schema'}`)
  }
  return result.data
}
