import { AskeeError, type Clock, errorText, type Logger, parse } from '@askee/core'
import { type Identity, signDocument } from '@askee/keys'
import type { Database } from '@askee/store'
import { parseContent, parseEntry } from '../entry.ts'
import type { AuditLog } from '../log.ts'
import type { Checkpointing } from '../witness/checkpointing.ts'
import {
  EXPORT_DOMAIN,
  EXPORTED,
  type ExportBody,
  type Exported,
  type ExportItem,
  exportDigest,
  exportedSchema,
  frame,
  MAX_EXPORT_BYTES,
  MAX_EXPORT_ENTRIES,
  MAX_PREVIOUS,
  MAX_REASON,
} from './format.ts'

/** Whose data the acts of exports are; they name no other subject. */
const SUBJECT = 'audit-exports'
/** Room in a file for all that is not an item. */
const HEADER_BYTES = 64 * 1024

export interface ExporterComponents {
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
   * @throws AskeeError `audit/export-range`, `audit/export-too-large`, `audit/export-reason`
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
  const { from, to } = checkOrder(order, log.size())
  checkpointing.sign()
  // With as many witnesses as there are; an export without any says less, and is still one.
  await checkpointing
    .cosign()
    .catch((error: unknown) => logger.debug({ error: errorText(error) }, 'witnesses could not be asked'))
  const acts = previousExports(components)
  const checkpoint =
    checkpointing.covering(Math.max(to, (acts.at(-1)?.index ?? -1) + 1)) ?? checkpointing.sign()
  const budget = { left: MAX_EXPORT_BYTES - HEADER_BYTES }
  const item = (index: number, content: ExportOrder['content']): ExportItem => {
    const { entry, hashes } = log.prove(index, checkpoint.size)
    const made = {
      index,
      entry,
      proof: [...hashes],
      content: content === 'included' ? log.content(index) : ('withheld' as const),
    }
    budget.left -= sizeOf(made)
    if (budget.left < 0) {
      throw new AskeeError(
        'audit/export-too-large',
        `an export has at most ${MAX_EXPORT_BYTES} bytes: take fewer entries`,
      )
    }
    return made
  }
  const newest = acts.at(-1)?.exported
  const body: ExportBody = {
    v: 1,
    node: identity.id,
    exporter: order.exporter,
    reason: order.reason,
    at: clock.now(),
    from,
    to,
    number: (newest?.number ?? 0) + 1,
    note: checkpoint.note,
    items: Array.from({ length: to - from }, (_, i) => item(from + i, order.content)),
    previous: acts.map(({ index }) => item(index, 'included')),
  }
  const file = frame(signDocument(identity, EXPORT_DOMAIN, body))
  const exported: Exported = {
    number: body.number,
    digest: exportDigest(file),
    previous: newest?.digest ?? null,
    from,
    to,
    reason: order.reason,
    exporter: order.exporter,
    content: order.content,
  }
  await log.append({ action: EXPORTED, subject: SUBJECT, outcome: 'done', content: exported })
  return file
}

function checkOrder(
  { reason, from = 0, to, exporter }: ExportOrder,
  size: number,
): { from: number; to: number } {
  if (reason.length === 0 || reason.length > MAX_REASON || exporter.length === 0) {
    throw new AskeeError(
      'audit/export-reason',
      `an export needs a reason of 1 to ${MAX_REASON} characters and an exporter`,
    )
  }
  const end = to ?? size
  if (!(Number.isSafeInteger(from) && Number.isSafeInteger(end) && from >= 0 && from < end && end <= size)) {
    throw new AskeeError(
      'audit/export-range',
      `the log has the entries 0 to ${size - 1}, asked for ${from} to ${end - 1}`,
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
function previousExports({ log, database }: ExporterComponents): { index: number; exported: Exported }[] {
  const indices = database
    .prepare('SELECT idx FROM audit_contents WHERE action = ? ORDER BY idx DESC LIMIT ?')
    .pluck()
    .all(EXPORTED, MAX_PREVIOUS) as number[]
  const acts: { index: number; exported: Exported }[] = []
  for (const index of indices) {
    const { entry } = log.prove(index)
    const content = log.content(index)
    if (typeof content === 'string') break
    acts.unshift({ index, exported: parse(parseContent(content, parseEntry(entry)).content, exportedSchema) })
  }
  return acts
}

/** No less than the item takes in dag-cbor. */
function sizeOf({ entry, proof, content }: ExportItem): number {
  return 64 + entry.byteLength + 35 * proof.length + (typeof content === 'string' ? 10 : content.byteLength)
}
