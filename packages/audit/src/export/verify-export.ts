import {
  AskeeError,
  type AuditEvent,
  decode,
  errorCode,
  errorText,
  type NodeId,
  parse,
  type Timestamp,
} from '@askee/core'
import { verifyDocument } from '@askee/keys'
import { z } from 'zod'
import { openCheckpoint, type SignedCheckpoint } from '../checkpoint.ts'
import { type LogEntry, parseContent, parseEntry } from '../entry.ts'
import { leafHash, verifyInclusion } from '../merkle.ts'
import { ERASED, mayBe, PURGED, parseRemoval, type Removal } from '../removals/act.ts'
import { Coverage } from '../removals/coverage.ts'
import {
  EXPORT_DOMAIN,
  EXPORTED,
  type ExportBody,
  type Exported,
  type ExportItem,
  exportDigest,
  exportedSchema,
  exportSchema,
  itemSchema,
  MAX_ITEM_BYTES,
  unframe,
} from './format.ts'

/** The signed body of an export, with room for its envelope. */
const MAX_BODY_BYTES = 128 * 1024

const envelopeSchema = z.strictObject({
  body: z.instanceof(Uint8Array),
  signer: z.string().max(64),
  signature: z.instanceof(Uint8Array),
})

/** An entry of an export that held. */
export interface ExportedEntry {
  readonly index: number
  readonly entry: LogEntry
  readonly event: AuditEvent | 'erased' | 'purged' | 'withheld' | 'damaged'
}

/** What a whole export says. */
export interface VerifiedExport {
  readonly node: NodeId
  readonly exporter: string
  readonly reason: string
  readonly at: Timestamp
  readonly from: number
  readonly to: number
  /** The how manieth export of this log. */
  readonly number: number
  /** Of the exports before it, so many that nothing proves: an alarm was open when it was made. */
  readonly unproven: number
  /** SHA-256 of the file, as the log of the node names it afterwards. */
  readonly digest: string
  readonly checkpoint: SignedCheckpoint
  readonly entries: readonly ExportedEntry[]
  /** The exports before this one that it names, oldest first, each proven to stand in the log at `index`. */
  readonly previous: readonly (Exported & { readonly index: number })[]
  /** The acts in it that say which contents went, oldest first. */
  readonly removals: readonly ExportedRemoval[]
}

/** An act that says which contents went, and stands in the log at `index`. */
export interface ExportedRemoval {
  readonly index: number
  readonly at: Timestamp
  readonly removal: Removal
}

/**
 * Verifies an export with nothing but its bytes: every entry stands in the tree of a checkpoint that the node signed, every
 * content is the one its entry committed to, none is missing, each that nobody can read any more is named by a purge or an
 * erasure in the log, the exports before it follow one another, and the node signed the whole.
 * @param node whose export it must be; without it, the file's own word says whose it is
 * @throws AskeeError `audit/export-too-large`, `audit/export-format`, `audit/export-truncated`, `audit/export-node`,
 * `audit/export-checkpoint`, `audit/export-root`, `audit/export-missing`, `audit/export-order`, `audit/export-entry`,
 * `audit/export-content`, `audit/content-missing`, `audit/export-removal`, `audit/export-custody`, `audit/export-signature`
 */
export function verifyExport(file: Uint8Array, node?: NodeId): VerifiedExport {
  const unframed = unframe(file)
  const { body, signer } = parsedEnd(unframed.end)
  if (node !== undefined && body.node !== node) {
    throw refused('node', `this is an export of ${body.node}'s log, not of ${node}'s`)
  }
  const checkpoint = opened(body.note)
  if (signer !== body.node || checkpoint.origin !== body.node) {
    throw refused('node', `the parts of this export are not all of ${body.node}`)
  }
  const items = readItems(unframed.items, checkpoint)
  // What is wrong inside says more than that the signature does not cover it, so that comes last.
  checkPlaces(body, items.entry, checkpoint)
  checkInclusion(items)
  const entries = items.entry.map(held)
  const previous = custody(body, items.export.map(held), checkpoint)
  const removals = removalsOf(entries, items.removal.map(held))
  checkGone(body, entries, removals)
  if (body.items !== unframed.digest) {
    throw refused('signature', `${body.node} did not sign these entries: something in the file was changed`)
  }
  try {
    verifyDocument(unframed.end, EXPORT_DOMAIN, exportSchema, {
      maxBytes: MAX_BODY_BYTES,
      signer: checkpoint.origin,
    })
  } catch (cause) {
    throw refused('signature', `${body.node} did not sign this export: ${errorText(cause)}`, { cause })
  }
  const { exporter, reason, at, from, to, number, unproven = 0 } = body
  return {
    node: checkpoint.origin,
    exporter,
    reason,
    at,
    from,
    to,
    number,
    unproven,
    digest: exportDigest(file),
    checkpoint,
    entries,
    previous,
    removals,
  }
}

function parsedEnd(document: Uint8Array): { body: ExportBody; signer: string } {
  try {
    const { body, signer } = decode(document, envelopeSchema, MAX_BODY_BYTES)
    return { body: decode(body, exportSchema, MAX_BODY_BYTES), signer }
  } catch (cause) {
    throw refused('format', `this is no export of an audit log: ${errorText(cause)}`, { cause })
  }
}

const KINDS = ['entry', 'export', 'removal'] as const

/** An item without its proof: of a file full of proofs nothing more is held than what it says. */
interface ReadItem {
  readonly index: number
  /** It stands in the tree of the checkpoint. */
  readonly isInside: boolean
  /** What it says, or why it says nothing. */
  readonly read: ExportedEntry | AskeeError
}
type Items = { readonly [Kind in ExportItem['kind']]: ReadItem[] }

/** The items by kind, in which order they stand; one after the other is decoded, checked and let go. */
function readItems(parts: readonly Uint8Array[], { size, root }: SignedCheckpoint): Items {
  const items: Items = { entry: [], export: [], removal: [] }
  let reached = 0
  for (const [i, part] of parts.entries()) {
    let item: ExportItem
    try {
      item = decode(part, itemSchema, MAX_ITEM_BYTES)
    } catch (cause) {
      throw refused('format', `item ${i} of this export is none: ${errorText(cause)}`, { cause })
    }
    const kind = KINDS.indexOf(item.kind)
    if (kind < reached) throw refused('order', `item ${i} of this export is not in its place`)
    reached = kind
    const { index, entry, proof } = item
    const isInside = verifyInclusion(leafHash(entry), index, size, proof, root)
    items[item.kind].push({ index, isInside, read: readItem(item) })
  }
  return items
}

/** @throws AskeeError why it says nothing */
function held({ read }: ReadItem): ExportedEntry {
  if (read instanceof AskeeError) throw read
  return read
}

function opened(note: string): SignedCheckpoint {
  try {
    return openCheckpoint(note)
  } catch (cause) {
    throw refused('checkpoint', `the checkpoint in this export is none: ${errorText(cause)}`, { cause })
  }
}

function checkPlaces({ from, to }: ExportBody, items: readonly ReadItem[], { size }: SignedCheckpoint): void {
  if (from >= to || to > size)
    throw refused('missing', `the checkpoint covers ${size} entries, not ${from} to ${to - 1}`)
  const here = new Set(items.map(({ index }) => index))
  for (let index = from; index < to; index++) {
    if (!here.has(index)) throw refused('missing', `entry ${index} was left out`, { index })
  }
  const misplaced = items.findIndex(({ index }, i) => index !== from + i)
  if (misplaced >= 0 || items.length !== to - from) {
    throw refused('order', `the entries do not follow one another at ${from + misplaced}`, {
      index: from + misplaced,
    })
  }
}

function checkInclusion(items: Items): void {
  const all = [...items.entry, ...items.export, ...items.removal]
  const outside = all.filter(({ isInside }) => !isInside)
  const [first] = outside
  if (first === undefined) return
  if (all.length > 1 && outside.length === all.length) {
    throw refused('root', 'none of the entries stands in the tree whose root the checkpoint signed')
  }
  throw refused('entry', `entry ${first.index} is not the one in the log`, { index: first.index })
}

function readItem({ index, entry: bytes, content }: ExportItem): ExportedEntry | AskeeError {
  let entry: LogEntry
  try {
    entry = parseEntry(bytes)
  } catch (cause) {
    return refused('entry', `entry ${index} is none: ${errorText(cause)}`, { index, cause })
  }
  if (typeof content === 'string') return { index, entry, event: content }
  try {
    return { index, entry, event: parseContent(content, entry) }
  } catch (cause) {
    const text = `the content of entry ${index} is not what was written: ${errorText(cause)}`
    return refused('content', text, { index, cause })
  }
}

/** The acts that say which contents went: those added for it, and those among the entries themselves. */
function removalsOf(
  entries: readonly ExportedEntry[],
  added: readonly ExportedEntry[],
): VerifiedExport['removals'] {
  const acts = new Map<number, ExportedRemoval>()
  for (const [i, { index, entry, event }] of [...added, ...entries].entries()) {
    const isAct = typeof event !== 'string' && (entry.action === PURGED || entry.action === ERASED)
    if (!isAct && i >= added.length) continue
    try {
      const removal = isAct ? parseRemoval(index, event) : undefined
      if (removal === undefined) throw new AskeeError('audit/removal', 'it is another act')
      acts.set(index, { index, at: entry.at, removal })
    } catch (cause) {
      throw refused('removal', `entry ${index} does not say which contents went: ${errorText(cause)}`, {
        index,
        cause,
      })
    }
  }
  return [...acts.values()].sort((a, b) => a.index - b.index)
}

/**
 * Every content that nobody can read any more is covered by an act further on in the log. What acts say of other entries is
 * not looked at: who made the file chose their numbers.
 */
function checkGone(
  { from, to }: ExportBody,
  entries: readonly ExportedEntry[],
  removals: VerifiedExport['removals'],
): void {
  const coverage = new Coverage({ from, to })
  for (const { index, removal } of removals) coverage.add(index, removal)
  for (const { index, entry, event } of entries) {
    if (typeof event !== 'string' || event === 'withheld') continue
    if (event !== 'damaged' && mayBe(event, entry.action) && coverage.has(event, index)) continue
    const why =
      event === 'damaged'
        ? 'it was damaged and cannot be read'
        : `it is called ${event}, and no act of the log in this export says that it went`
    throw new AskeeError('audit/content-missing', `the content of entry ${index} is missing: ${why}`, {
      index,
    })
  }
}

/** The acts of earlier exports, each of which names the one before it; the last is the one before this export. */
function custody(
  { number, unproven = 0 }: ExportBody,
  previous: readonly ExportedEntry[],
  { size }: SignedCheckpoint,
): VerifiedExport['previous'] {
  const acts = previous.map(({ entry, event, index }) => {
    if (typeof event === 'string' || entry.action !== EXPORTED || index >= size) {
      throw refused('custody', `entry ${index} does not say that an export was made`, { index })
    }
    try {
      return { index, ...parse(event.content, exportedSchema) }
    } catch (cause) {
      throw refused('custody', `entry ${index} says nothing of an export: ${errorText(cause)}`, {
        index,
        cause,
      })
    }
  })
  const proven = number - unproven
  for (const [i, act] of acts.entries()) {
    const before = acts[i - 1]
    const follows =
      act.number === proven - acts.length + i && (before === undefined || act.previous === before.digest)
    if (!follows)
      throw refused('custody', `export ${act.number} does not follow the one before it`, { index: act.index })
  }
  if (acts.length === 0 && proven !== 1)
    throw refused('custody', `the exports before number ${number} are not named`)
  return acts
}

function refused(
  what: string,
  text: string,
  { index, cause }: { index?: number; cause?: unknown } = {},
): AskeeError {
  const code = cause === undefined ? undefined : errorCode(cause)
  return new AskeeError(
    `audit/export-${what}`,
    text,
    { ...(index === undefined ? {} : { index }), ...(code === undefined ? {} : { code }) },
    { cause },
  )
}
