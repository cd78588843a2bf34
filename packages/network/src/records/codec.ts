import {
  AskeeError,
  errorText,
  MAX_RECORD_BYTES,
  type NodeId,
  type RecordKey,
  type SignedRecord,
  utf8,
} from '@askee/core'
import { type Identity, signDocument, verifyDocument } from '@askee/keys'
import { z } from 'zod'
import { DHT_NAMESPACE } from '../defaults.ts'

const DOMAIN = 'askee/record/1'
const NAMESPACE = /^[a-z0-9-]{1,32}$/
/** Visible ASCII: a DHT key is compared byte by byte by every implementation. */
const NAME = /^[!-~]{1,128}$/

const bodySchema = z.strictObject({
  namespace: z.string().regex(NAMESPACE),
  name: z.string().regex(NAME),
  value: z.instanceof(Uint8Array),
  sequence: z.int().nonnegative(),
  expires: z.int().nonnegative(),
})

/** A verified record with the bytes it came in. */
export interface StoredRecord {
  readonly record: SignedRecord
  readonly bytes: Uint8Array
}

/**
 * `/askee/<namespace>/<owner>/<name>`: the owner stands in the key, so nobody else can write there.
 * @throws AskeeError `mesh/invalid-record` when a part has characters that keys may not have
 */
export function dhtKey(key: RecordKey): Uint8Array {
  if (!NAMESPACE.test(key.namespace) || !NAME.test(key.name)) {
    throw new AskeeError(
      'mesh/invalid-record',
      `expected a namespace like ${NAMESPACE} and a name like ${NAME}, received ${key.namespace} and ${key.name}`,
    )
  }
  return utf8(`/${DHT_NAMESPACE}/${key.namespace}/${key.owner}/${key.name}`)
}

/** @throws AskeeError `mesh/invalid-record` when it does not fit the schema or is too large */
export function encodeRecord(identity: Identity, draft: Omit<SignedRecord, 'owner'>): StoredRecord {
  const parsed = bodySchema.safeParse(draft)
  if (!parsed.success) {
    const issue = parsed.error.issues[0]
    throw new AskeeError('mesh/invalid-record', `${issue?.path.join('.')}: ${issue?.message}`)
  }
  const bytes = signDocument(identity, DOMAIN, parsed.data)
  if (bytes.byteLength > MAX_RECORD_BYTES) {
    throw new AskeeError(
      'mesh/invalid-record',
      `expected at most ${MAX_RECORD_BYTES} bytes, received ${bytes.byteLength}`,
    )
  }
  return { record: { ...parsed.data, owner: identity.id }, bytes }
}

/**
 * Parses and verifies a record found under `key`.
 * @param now ms since 1970; an expired record is refused
 * @throws AskeeError `mesh/invalid-record`
 */
export function decodeRecord(key: Uint8Array, bytes: Uint8Array, now: number): StoredRecord {
  if (bytes.byteLength > MAX_RECORD_BYTES) {
    throw new AskeeError(
      'mesh/invalid-record',
      `expected at most ${MAX_RECORD_BYTES} bytes, received ${bytes.byteLength}`,
    )
  }
  const { signer, value } = verified(bytes)
  const record: SignedRecord = { ...value, owner: signer }
  if (Buffer.compare(dhtKey(record), key) !== 0) {
    throw new AskeeError(
      'mesh/invalid-record',
      `a record of ${signer} stands under a key that is not its own`,
    )
  }
  if (record.expires <= now) throw new AskeeError('mesh/invalid-record', 'the record has expired')
  return { record, bytes }
}

function verified(bytes: Uint8Array): { signer: NodeId; value: z.output<typeof bodySchema> } {
  try {
    return verifyDocument(bytes, DOMAIN, bodySchema, { maxBytes: MAX_RECORD_BYTES })
  } catch (cause) {
    throw new AskeeError('mesh/invalid-record', errorText(cause), {}, { cause })
  }
}

/**
 * Whether `a` replaces `b`: the higher sequence, and between two of one sequence (an owner that errs) the
 * greater bytes, so that all nodes settle on the same.
 */
export function supersedes(a: StoredRecord, b: StoredRecord): boolean {
  const difference = a.record.sequence - b.record.sequence
  return difference === 0 ? Buffer.compare(a.bytes, b.bytes) > 0 : difference > 0
}

/** The record that supersedes all others. */
export function newest(records: readonly StoredRecord[]): StoredRecord | undefined {
  let best: StoredRecord | undefined
  for (const record of records) if (best === undefined || supersedes(record, best)) best = record
  return best
}
