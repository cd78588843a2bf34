import { createHash } from 'node:crypto'
import {
  AskeeError,
  type AuditEvent,
  concat,
  decode,
  encode,
  parse,
  type Timestamp,
  toHex,
  utf8,
} from '@askee/core'
import { z } from 'zod'

/** Largest content of an event, in canonical encoding. */
export const MAX_CONTENT_BYTES = 16 * 1024
export const MAX_ENTRY_BYTES = 1024
/** The content with its salt and subject. */
export const MAX_OPENED_BYTES = MAX_CONTENT_BYTES + 1024
const SALT_BYTES = 16
const ENTRY_VERSION = 1

const action = z
  .string()
  .max(64)
  .regex(/^[a-z][a-z0-9-]*\.[a-z][a-z0-9-]*$/, 'expected an action like consent.granted')
const outcome = z.enum(['done', 'refused', 'failed'])
const scalar = z.union([z.string(), z.number(), z.boolean(), z.null()])

const eventSchema = z.strictObject({
  action,
  subject: z.string().min(1).max(255),
  outcome,
  content: z.record(z.string().min(1).max(64), scalar),
})

const entrySchema = z.strictObject({
  v: z.literal(ENTRY_VERSION),
  at: z.int().min(0),
  action,
  outcome,
  content: z.instanceof(Uint8Array).refine((hash) => hash.byteLength === 32, 'expected 32 bytes'),
})

const contentSchema = z.strictObject({
  salt: z.instanceof(Uint8Array).refine((salt) => salt.byteLength === SALT_BYTES, 'expected 16 bytes'),
  subject: z.string(),
  content: z.record(z.string(), scalar),
})

/** What stands in the tree: that something was done and when; of whom and what only a commitment. */
export interface LogEntry {
  readonly at: Timestamp
  readonly action: string
  readonly outcome: AuditEvent['outcome']
  /** SHA-256 of the salted content: without the salt, which is sealed with it, nothing can be guessed from it. */
  readonly content: Uint8Array
}

/** @throws AskeeError `audit/event` when it is no event or too large */
export function checkEvent(event: AuditEvent): void {
  try {
    parse(event, eventSchema)
  } catch (cause) {
    throw new AskeeError(
      'audit/event',
      `not an act that can be written down: ${(cause as Error).message}`,
      {},
      { cause },
    )
  }
  const { byteLength } = encode(event.content)
  if (byteLength > MAX_CONTENT_BYTES) {
    throw new AskeeError(
      'audit/event',
      `the content of an act has at most ${MAX_CONTENT_BYTES} bytes, received ${byteLength}`,
    )
  }
}

/** The entry for the tree, and the content for the vault. */
export function composeEntry(
  event: AuditEvent,
  at: Timestamp,
  salt: Uint8Array,
): { entry: Uint8Array; content: Uint8Array } {
  const content = encode({ salt, subject: event.subject, content: event.content })
  const entry = encode({
    v: ENTRY_VERSION,
    at,
    action: event.action,
    outcome: event.outcome,
    content: commitment(content),
  })
  return { entry, content }
}

export { SALT_BYTES }

/** @throws AskeeError `codec/*` */
export function parseEntry(bytes: Uint8Array): LogEntry {
  const { v: _, ...entry } = decode(bytes, entrySchema, MAX_ENTRY_BYTES)
  return entry
}

/**
 * The event behind an entry.
 * @throws AskeeError `codec/*`, `audit/content` when it is not what the entry committed to
 */
export function parseContent(bytes: Uint8Array, entry: LogEntry): AuditEvent {
  if (toHex(commitment(bytes)) !== toHex(entry.content)) {
    throw new AskeeError('audit/content', 'the content is not the one that the log committed to')
  }
  const { subject, content } = decode(bytes, contentSchema, MAX_OPENED_BYTES)
  return { action: entry.action as AuditEvent['action'], subject, outcome: entry.outcome, content }
}

function commitment(content: Uint8Array): Uint8Array {
  return new Uint8Array(
    createHash('sha256')
      .update(concat(utf8('askee/audit/content/1\0'), content))
      .digest(),
  )
}
