import { createHash } from 'node:crypto'
import { AskeeError, bytesEqual, concat, toHex, utf8 } from '@askee/core'
import { z } from 'zod'
import { MAX_NOTE_CHARACTERS } from '../checkpoint.ts'
import { MAX_ENTRY_BYTES, MAX_OPENED_BYTES } from '../entry.ts'
import { MAX_PROOF_HASHES } from '../merkle.ts'

/** Largest file; a longer log is exported in parts. */
export const MAX_EXPORT_BYTES = 64 * 1024 * 1024
/** Entries in one file: some seconds of work to make and to verify. */
export const MAX_EXPORT_ENTRIES = 20_000
/** Earlier exports that a file names, the newest of them; each names the one before it. */
export const MAX_PREVIOUS = 100
export const MAX_REASON = 500

/** What the node's signature over an export is for. */
export const EXPORT_DOMAIN = 'askee/audit/export/1'
/** The act of the log that says an export was made. */
export const EXPORTED = 'audit.exported'

const MAGIC = utf8('askee audit export 1\n')
const LENGTH_BYTES = 4

const bytes = (max: number) =>
  z.custom<Uint8Array>((b) => b instanceof Uint8Array && b.byteLength <= max, `expected at most ${max} bytes`)
const hash = z.custom<Uint8Array>((b) => b instanceof Uint8Array && b.byteLength === 32, 'expected 32 bytes')
const position = z.int().min(0)
const digest = z.string().regex(/^[0-9a-f]{64}$/)

const itemSchema = z.strictObject({
  index: position,
  entry: bytes(MAX_ENTRY_BYTES),
  /** That it stands at `index` below the checkpoint's root. */
  proof: z.array(hash).max(MAX_PROOF_HASHES),
  /** What the entry committed to, or why it is not here. */
  content: z.union([bytes(MAX_OPENED_BYTES), z.enum(['erased', 'purged', 'withheld'])]),
})
export type ExportItem = z.output<typeof itemSchema>

export const exportSchema = z.strictObject({
  v: z.literal(1),
  /** Whose log. */
  node: z.string().max(64),
  /** On whose behalf: the owner's id. */
  exporter: z.string().min(1).max(255),
  reason: z.string().min(1).max(MAX_REASON),
  at: position,
  /** Entries from this one… */
  from: position,
  /** …to before this one. */
  to: position,
  /** The how manieth export of this log. */
  number: z.int().min(1),
  /** Signed checkpoint with its cosignatures. */
  note: z.string().max(MAX_NOTE_CHARACTERS),
  items: z.array(itemSchema).max(MAX_EXPORT_ENTRIES),
  /** The acts of the exports before this one, oldest first. */
  previous: z.array(itemSchema).max(MAX_PREVIOUS),
})
export type ExportBody = z.output<typeof exportSchema>

/** Content of the act that says an export was made. */
export const exportedSchema = z.strictObject({
  number: z.int().min(1),
  /** SHA-256 of the file. */
  digest,
  /** Digest of the export before. */
  previous: digest.nullable(),
  from: position,
  to: position,
  reason: z.string(),
  exporter: z.string(),
  content: z.enum(['included', 'withheld']),
})
export type Exported = z.output<typeof exportedSchema>

/** SHA-256 of a file, as the log names it. */
export function exportDigest(file: Uint8Array): string {
  return toHex(new Uint8Array(createHash('sha256').update(file).digest()))
}

/** A line that says what the file is, the document's length, and the signed document. */
export function frame(document: Uint8Array): Uint8Array {
  const length = new Uint8Array(LENGTH_BYTES)
  new DataView(length.buffer).setUint32(0, document.byteLength)
  return concat(MAGIC, length, document)
}

/**
 * The signed document in a file.
 * @throws AskeeError `audit/export-too-large`, `audit/export-format`, `audit/export-truncated`
 */
export function unframe(file: Uint8Array): Uint8Array {
  if (file.byteLength > MAX_EXPORT_BYTES) {
    throw new AskeeError(
      'audit/export-too-large',
      `an export has at most ${MAX_EXPORT_BYTES} bytes, received ${file.byteLength}`,
    )
  }
  const known = Math.min(file.byteLength, MAGIC.byteLength)
  if (!bytesEqual(file.subarray(0, known), MAGIC.subarray(0, known))) {
    throw new AskeeError(
      'audit/export-format',
      'this is no export of an audit log: its first line says otherwise',
    )
  }
  const start = MAGIC.byteLength + LENGTH_BYTES
  const length =
    file.byteLength < start
      ? undefined
      : new DataView(file.buffer, file.byteOffset).getUint32(MAGIC.byteLength)
  if (length === undefined || file.byteLength < start + length) {
    throw new AskeeError('audit/export-truncated', 'the file ends before its content does: it was cut off')
  }
  if (file.byteLength > start + length) {
    throw new AskeeError('audit/export-format', 'something was added after the end of the export')
  }
  return file.subarray(start)
}
