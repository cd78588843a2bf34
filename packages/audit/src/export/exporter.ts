import { createHash, type Hash as Hashing } from 'node:crypto'
import { AskeeError, type Clock, encode, errorText, type Logger, parse } from '@askee/core'
import { type Identity, signDocument } from '@askee/keys'
import type { Database } from '@askee/store'
import { parseContent, parseEntry } from '../entry.ts'
import type { AuditLog } from '../log.ts'
import { removalActs } from '../removals/list.ts'
import { createTurns, type TurnComponents, type Turns } from '../turns.ts'
import type { Checkpointing } from '../witness/checkpointing.ts'
import {
  EXPORT_DOMAIN,
  EXPORTED,
  type ExportBody,
  type Exported,
  type ExportItem,
  exportedSchema,
  frame,
  MAGIC,
  MAX_EXPORT_BYTES,
  MAX_EXPORT_ENTRIES,
  MAX_PREVIOUS,
  MAX_REASON,
} from './format.ts'

/** Whose data the acts of exports are; they name no other subject. */
const SUBJECT = 'audit-exports'
/** Room in a file for all that is not an item. */
const END_BYTES = 128 * 1024
/** What a proof and its item cost, in units of a turn. */
const ITEM_UNITS = 4
/** Parts of a file, of some 700 bytes, that are copied for the price of one unit. */
const PARTS_A_UNIT = 64

export interface ExporterComponents extends TurnComponents {
  readonly log: AuditLog
  /** The log's own database. */
  readonly database: Database
  readonly checkpointing: Checkpointing
  readonly identity: Identity
  readonly clock: Clock
  readonly logger: Logger
}

export interface ExportOrder {
  /** Why, 1 to 500 characters: it stands in the file and in the log. */
  readonly reason: string
  /** On whose behalf: the owner's id. */
  readonly exporter: string
  /** First entry, by default 0. */
  readonly from?: number
  /** One after the last, by default all. */
  readonly to?: number
  readonly content: 'included' | 'withheld'
}

/** Takes parts of the log away, for others to verify (AUD-3). */
export interface Exporter {
  /**
   * One file for `verifyExport`. That it was made, with its digest, is on disk as an act of the log before this resolves.
   * Works in pieces with turns of the event loop between them; the file itself is held in memory.
   * While an alarm is open it takes what was signed before, and no content that is gone by an act that was not.
   * @throws AskeeError `audit/export-range`, `audit/export-too-large`, `audit/export-reason`, `audit/export-held`
   */
  make(order: ExportOrder): Promise<Uint8Array>
}

export function createExporter(components: ExporterComponents): Exporter {
  // One after the other: each names the one before it.
  let last: Promise<unknown> = Promise.resolve()
  return {
    make(order) {
      const made = last.then(() => make(components, order))
      last = made.catch(() => undefined)
      return made
    },
  }
}

async function make(components: ExporterComponents, order: ExportOrder): Promise<Uint8Array> {
  const { log, checkpointing, identity, clock, logger } = components
  const closed = signed(checkpointing)
  // While an alarm is open nothing new is signed; what was signed before is the evidence that is wanted then.
  const most = closed === undefined ? log.size() : (checkpointing.latest()?.size ?? 0)
  const { from, to } = checkOrder(order, most, closed)
  const turns = createTurns(components)
  const found = await collect(components, { ...order, from, to, ...(closed && { most, closed }) }, turns)
  if (closed === undefined) {
    // Only now: all acts that say why a content is gone are below this checkpoint.
    checkpointing.sign()
    // With as many witnesses as there are; an export without any says less, and is still one.
    await checkpointing
      .cosign()
      .catch((error: unknown) => logger.debug({ error: errorText(error) }, 'witnesses could not be asked'))
  }
  const items = closed === undefined ? found.items : found.items.filter(({ index }) => index < most)
  const unproven = found.items.filter(({ kind, index }) => kind === 'export' && index >= most).length
  const end = 1 + items.reduce((last, { index }) => Math.max(last, index), to - 1)
  const checkpoint = checkpointing.covering(end) ?? checkpointing.sign()
  const file = new ExportFile()
  // The first last, so that each content is let go once it stands in the file.
  items.reverse()
  for (let item = items.pop(); item !== undefined; item = items.pop()) {
    const { kind, index, content } = item
    await turns.spend(ITEM_UNITS)
    const { entry, hashes } = log.prove(index, checkpoint.size)
    file.add({ kind, index, entry, proof: [...hashes], content })
  }
  const body: Omit<ExportBody, 'items'> = {
    v: 2,
    node: identity.id,
    exporter: order.exporter,
    reason: order.reason,
    at: clock.now(),
    from,
    to,
    number: (found.newest?.number ?? 0) + 1,
    ...(closed === undefined || unproven === 0 ? {} : { unproven }),
    note: checkpoint.note,
  }
  const digest = file.end((items) => signDocument(identity, EXPORT_DOMAIN, { ...body, items }))
  const exported: Exported = {
    number: body.number,
    digest,
    previous: found.newest?.digest ?? null,
    from,
    to,
    reason: order.reason,
    exporter: order.exporter,
    content: order.content,
  }
  const bytes = await file.bytes(turns)
  await log.append({ action: EXPORTED, subject: SUBJECT, outcome: 'done', content: exported })
  return bytes
}

/** A file in the making: hashed as it grows, so that no step of it is longer than its item. */
class ExportFile {
  readonly #parts: Uint8Array[] = []
  readonly #hash: Hashing = createHash('sha256')
  #bytes = 0

  constructor() {
    this.#push(MAGIC)
  }

  #push(part: Uint8Array): void {
    this.#parts.push(part)
    this.#hash.update(part)
    this.#bytes += part.byteLength
  }

  /** @throws AskeeError `audit/export-too-large` */
  add(item: ExportItem): void {
    this.#push(frame('item', encode(item)))
    if (this.#bytes > MAX_EXPORT_BYTES - END_BYTES) throw tooLarge()
  }

  /**
   * @param sign makes the signed body of the SHA-256 of all before it
   * @returns the SHA-256 of the file
   */
  end(sign: (items: string) => Uint8Array): string {
    this.#push(frame('end', sign(this.#hash.copy().digest('hex'))))
    return this.#hash.digest('hex')
  }

  /** The file; its parts are let go. */
  async bytes(turns: Turns): Promise<Uint8Array> {
    const bytes = new Uint8Array(this.#bytes)
    let at = 0
    for (const [i, part] of this.#parts.entries()) {
      bytes.set(part, at)
      at += part.byteLength
      if (i % PARTS_A_UNIT === 0) await turns.spend(1)
    }
    this.#parts.length = 0
    return bytes
  }
}

/** Why nothing can be signed now, an alarm or a damaged tree; undefined when all that is written is. */
function signed(checkpointing: Checkpointing): AskeeError | undefined {
  try {
    checkpointing.sign()
    return undefined
  } catch (error) {
    if (error instanceof AskeeError) return error
    throw error
  }
}

type Collected = Pick<ExportItem, 'kind' | 'index' | 'content'>

interface Collecting {
  readonly from: number
  readonly to: number
  readonly content: ExportOrder['content']
  /** Nothing is signed from this entry on. */
  readonly most?: number
  /** Why. */
  readonly closed?: AskeeError
}

/** What the file will hold, without proofs: contents are read before the checkpoint that their proofs lead to is signed. */
async function collect(
  components: ExporterComponents,
  { from, to, content, most = Number.POSITIVE_INFINITY, closed }: Collecting,
  turns: Turns,
): Promise<{ items: Collected[]; newest: Exported | undefined }> {
  const { log } = components
  const items: Collected[] = []
  const gone = { purged: new Set<number>(), erased: new Set<number>() }
  let bytes = 0
  for (let index = from; index < to; index++) {
    await turns.spend(1)
    const found = content === 'included' ? contentOf(log, index) : 'withheld'
    if (found === 'purged' || found === 'erased') gone[found].add(index)
    bytes += typeof found === 'string' ? 0 : found.byteLength
    if (bytes > MAX_EXPORT_BYTES) throw tooLarge()
    items.push({ kind: 'entry', index, content: found })
  }
  const acts = await previousExports(components, turns)
  for (const { index } of acts) items.push({ kind: 'export', index, content: contentOf(log, index) })
  if (gone.purged.size + gone.erased.size > 0) {
    const said = new Set<number>()
    for await (const { index, removal } of removalActs(components, turns, from + 1)) {
      const covered: number[] = []
      for (const { first, last } of removal.ranges) {
        for (let at = Math.max(first, from); at <= Math.min(last, to - 1); at++) {
          if (gone[removal.kind].has(at)) covered.push(at)
        }
      }
      if (index >= most) {
        // Without the act the file would say that somebody took the content away.
        const unsaid = covered.find((at) => !said.has(at))
        if (unsaid !== undefined) throw unproven(unsaid, removal.kind, index, closed)
        continue
      }
      for (const at of covered) said.add(at)
      if (covered.length > 0) items.push({ kind: 'removal', index, content: contentOf(log, index) })
    }
  }
  return { items, newest: acts.at(-1)?.exported }
}

function contentOf(log: AuditLog, index: number): ExportItem['content'] {
  try {
    return log.content(index)
  } catch (error) {
    // A damaged content must not keep the others from those who are to look into the damage.
    if (error instanceof AskeeError) return 'damaged'
    throw error
  }
}

function unproven(
  index: number,
  kind: 'purged' | 'erased',
  act: number,
  closed: AskeeError | undefined,
): AskeeError {
  return new AskeeError(
    'audit/export-held',
    `entry ${index} was ${kind} by entry ${act}, which nothing signs now (${closed?.code}): leave it out with --from and --to, take entries --without-content, or accept the state first with askee audit accept --reason WHY`,
    { index },
    { cause: closed },
  )
}

function tooLarge(): AskeeError {
  return new AskeeError(
    'audit/export-too-large',
    `an export has at most ${MAX_EXPORT_BYTES} bytes: take fewer entries at once, with --from and --to`,
  )
}

function checkOrder(
  { reason, from = 0, to, exporter }: ExportOrder,
  size: number,
  closed: AskeeError | undefined,
): { from: number; to: number } {
  if (reason.length === 0 || reason.length > MAX_REASON || exporter.length === 0) {
    throw new AskeeError(
      'audit/export-reason',
      `an export needs a reason of 1 to ${MAX_REASON} characters and an exporter`,
    )
  }
  const end = to ?? size
  if (closed !== undefined && (size === 0 || end > size)) {
    throw new AskeeError(
      'audit/export-held',
      `nothing new can be signed (${closed.code}): ${size === 0 ? 'no entry was signed before it' : `the entries before ${size} can be exported, with --to ${size}`}`,
      {},
      { cause: closed },
    )
  }
  if (!(Number.isSafeInteger(from) && Number.isSafeInteger(end) && from >= 0 && from < end && end <= size)) {
    throw new AskeeError(
      'audit/export-range',
      `the log has ${size === 0 ? 'no entries yet' : `the entries 0 to ${size - 1}`}: it cannot give those from ${from} to before ${end}`,
    )
  }
  if (end - from > MAX_EXPORT_ENTRIES) {
    throw new AskeeError(
      'audit/export-range',
      `an export has at most ${MAX_EXPORT_ENTRIES} entries, asked for ${end - from}: export them in parts`,
    )
  }
  return { from, to: end }
}

/** The newest exports whose acts can be read, without a gap, oldest first. */
async function previousExports(
  { log, database }: ExporterComponents,
  turns: Turns,
): Promise<{ index: number; exported: Exported }[]> {
  const indices = database
    .prepare('SELECT idx FROM audit_contents WHERE action = ? ORDER BY idx DESC LIMIT ?')
    .pluck()
    .all(EXPORTED, MAX_PREVIOUS) as number[]
  const acts: { index: number; exported: Exported }[] = []
  for (const index of indices) {
    await turns.spend(ITEM_UNITS)
    const { entry } = log.prove(index)
    const content = contentOf(log, index)
    if (typeof content === 'string') break
    acts.unshift({ index, exported: parse(parseContent(content, parseEntry(entry)).content, exportedSchema) })
  }
  return acts
}
