import { createHash } from 'node:crypto'
import { AskeeError, bytesEqual, toHex, utf8 } from '@askee/core'
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
/** Entries, earlier exports, and for each entry at most one act that says why its content is gone. */
const MAX_ITEMS = 2 * MAX_EXPORT_ENTRIES + MAX_PREVIOUS

/** What the node's signature over an export is for. */
export const EXPORT_DOMAIN = 'askee/audit/export/2'
/** The act of the log that says an export was made. */
export const EXPORTED = 'audit.exported'

export const MAGIC = utf8('askee audit export 2\n')
/** What a frame is and its length. */
const FRAME_BYTES = 5
const ITEM = 0
const END = 1
/** The end of a file: its signed body. */
const MAX_END_BYTES = MAX_NOTE_CHARACTERS * 4 + 8_192

const bytes = (max: number) =>
  z.custom<Uint8Array>((b) => b instanceof Uint8Array && b.byteLength <= max, `expected at most ${max} bytes`)
const hash = z.custom<Uint8Array>((b) => b instanceof Uint8Array && b.byteLength === 32, 'expected 32 bytes')
const position = z.int().min(0)
const digest = z.string().regex(/^[0-9a-f]{64}$/)

export const itemSchema = z.strictObject({
  /** One of the entries that were asked for; the act of an earlier export; an act that says why contents of them are gone. */
  kind: z.enum(['entry', 'export', 'removal']),
  index: position,
  entry: bytes(MAX_ENTRY_BYTES),
  /** That it stands at `index` below the checkpoint's root. */
  proof: z.array(hash).max(MAX_PROOF_HASHES),
  /** What the entry committed to, or why it is not here. */
  content: z.union([bytes(MAX_OPENED_BYTES), z.enum(['erased', 'purged', 'withheld', 'damaged'])]),
})
export type ExportItem = z.output<typeof itemSchema>
/** An item in canonical encoding. */
export const MAX_ITEM_BYTES = MAX_ENTRY_BYTES + MAX_OPENED_BYTES + 40 * MAX_PROOF_HASHES + 256

/** What the node signs, at the end of the file. */
export const exportSchema = z.strictObject({
  v: z.literal(2),
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
  /** Of the exports before it, the newest that nothing proves: an alarm was open, and no checkpoint above them was signed. */
  unproven: z.int().min(1).optional(),
  /** Signed checkpoint with its cosignatures. */
  note: z.string().max(MAX_NOTE_CHARACTERS),
  /** SHA-256 of all of the file before its end: the signature covers every item. */
  items: digest,
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

/** One part of a file: an item, or the signed body that ends it. */
export function frame(kind: 'item' | 'end', body: Uint8Array): Uint8Array {
  const framed = new Uint8Array(FRAME_BYTES + body.byteLength)
  framed[0] = kind === 'item' ? ITEM : END
  new DataView(framed.buffer).setUint32(1, body.byteLength)
  framed.set(body, FRAME_BYTES)
  return framed
}

/** The parts of a file, undecoded. */
export interface Unframed {
  readonly items: readonly Uint8Array[]
  /** The signed body. */
  readonly end: Uint8Array
  /** SHA-256 of all before the end. */
  readonly digest: string
}

/**
 * Takes a file apart.
 * @throws AskeeError `audit/export-too-large`, `audit/export-format`, `audit/export-truncated`
 */
export function unframe(file: Uint8Array): Unframed {
  if (file.byteLength > MAX_EXPORT_BYTES) {
    throw new AskeeError(
      'audit/export-too-large',
      `an export has at most ${MAX_EXPORT_BYTES} bytes, received ${file.byteLength}`,
    )
  }
  const known = Math.min(file.byteLength, MAGIC.byteLength)
  if (!bytesEqual(file.subarray(0, known), MAGIC.subarray(0, known))) {
    throw malformed('this is no export of an audit log: its first line says otherwise')
  }
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength)
  const items: Uint8Array[] = []
  for (let at = MAGIC.byteLength; at + FRAME_BYTES <= file.byteLength; ) {
    const kind = view.getUint8(at)
    const length = view.getUint32(at + 1)
    if (kind > END || length > (kind === END ? MAX_END_BYTES : MAX_ITEM_BYTES)) {
      throw malformed(`at byte ${at} there is no part of an export`)
    }
    const start = at + FRAME_BYTES
    if (start + length > file.byteLength) break
    const body = file.subarray(start, start + length)
    if (kind === END) {
      if (start + length < file.byteLength) throw malformed('something was added after the end of the export')
      return { items, end: body, digest: exportDigest(file.subarray(0, at)) }
    }
    if (items.push(body) > MAX_ITEMS) throw malformed(`an export has at most ${MAX_ITEMS} items`)
    at = start + length
  }
  throw new AskeeError('audit/export-truncated', 'the file ends before its content does: it was cut off')
}

function malformed(text: string): AskeeError {
  return new AskeeError('audit/export-format', text)
}
