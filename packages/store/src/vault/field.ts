import { createSecretKey, hkdfSync } from 'node:crypto'
import { AskeeError, concat, encode } from '@askee/core'
import { NONCE_BYTES, seal, TAG_BYTES, unseal } from '../aead.ts'
import { KEY_BYTES } from '../derive-key.ts'

/** Where a field stands. It opens nowhere else. */
export interface FieldPlace {
  /** Table and key of the record, for instance; at most 255 characters. */
  readonly record: string
  /** Of the field within the record; at most 255 characters. */
  readonly path: string
  /** Of the record: an older value put back in the place of a newer one does not open. Integer from 0. */
  readonly version: number
}

/** Names a data key; stands in front of every field sealed with it. */
export const KID_BYTES = 16
/** Largest field. */
export const MAX_FIELD_BYTES = 1024 * 1024
const MAX_TEXT = 255
const FORMAT = 1
const HEADER_BYTES = 1 + KID_BYTES + NONCE_BYTES

/**
 * format(1) ‖ kid(16) ‖ nonce(12) ‖ AES-256-GCM under a key of the field's own path, with record, path, kid and version as
 * associated data.
 * @throws AskeeError `store/field-size`, `store/field-place`
 */
export function sealField(
  dataKey: Uint8Array,
  kid: Uint8Array,
  nonce: Uint8Array,
  place: FieldPlace,
  plain: Uint8Array,
): Uint8Array {
  if (plain.byteLength > MAX_FIELD_BYTES) {
    throw new AskeeError(
      'store/field-size',
      `a field holds at most ${MAX_FIELD_BYTES} bytes, received ${plain.byteLength}`,
    )
  }
  const body = seal(fieldKey(dataKey, place.path), nonce, contextOf(kid, place), plain)
  return concat(Uint8Array.of(FORMAT), kid, nonce, body)
}

/**
 * The data key's name in a sealed field.
 * @throws AskeeError `store/field-format`
 */
export function kidOf(sealed: Uint8Array): Uint8Array {
  const { byteLength } = sealed
  if (
    sealed[0] !== FORMAT ||
    byteLength < HEADER_BYTES + TAG_BYTES ||
    byteLength > HEADER_BYTES + TAG_BYTES + MAX_FIELD_BYTES
  ) {
    throw new AskeeError(
      'store/field-format',
      `expected a sealed field of format ${FORMAT}, received ${byteLength} bytes of something else`,
    )
  }
  return sealed.subarray(1, 1 + KID_BYTES)
}

/** The field, or undefined when it was sealed for another place or key, or was changed. */
export function openField(
  dataKey: Uint8Array,
  place: FieldPlace,
  sealed: Uint8Array,
): Uint8Array | undefined {
  const kid = kidOf(sealed)
  const nonce = sealed.subarray(1 + KID_BYTES, HEADER_BYTES)
  return unseal(fieldKey(dataKey, place.path), nonce, contextOf(kid, place), sealed.subarray(HEADER_BYTES))
}

function fieldKey(dataKey: Uint8Array, path: string): Uint8Array {
  const input = createSecretKey(dataKey)
  return new Uint8Array(hkdfSync('sha256', input, new Uint8Array(0), `field/v1${path}`, KEY_BYTES))
}

function contextOf(kid: Uint8Array, { record, path, version }: FieldPlace): Uint8Array {
  if (record.length > MAX_TEXT || path.length > MAX_TEXT || !Number.isSafeInteger(version) || version < 0) {
    throw new AskeeError(
      'store/field-place',
      `expected record and path of at most ${MAX_TEXT} characters and a version from 0, received ${record.length}, ${path.length}, ${version}`,
    )
  }
  return encode({ record, path, kid, version })
}
