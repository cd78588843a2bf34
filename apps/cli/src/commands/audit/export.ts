import { createHash } from 'node:crypto'
import { type FileHandle, open, rm, stat } from 'node:fs/promises'
import type { VerifiedExport } from '@askee/audit'
import type { ControlClient } from '@askee/client'
import { AskeeError, errorCode, type NodeId } from '@askee/core'
import { Command } from 'commander'
import { usageError } from '../../exit.ts'
import { printable, printData, printJson, printNote } from '../../terminal/output.ts'
import { type AgentOptions, agentOptions } from '../consent/options.ts'
import { readNamedFile } from '../files.ts'
import { controlClient, integer } from '../options.ts'

const position = integer(0, Number.MAX_SAFE_INTEGER)

interface ExportOptions extends AgentOptions {
  reason: string
  from?: number
  to?: number
  removal?: number
  withoutContent?: boolean
}

/** `askee audit export`. */
export function exportCommand(): Command {
  return agentOptions(new Command('export'))
    .description(
      'a signed file with entries, proofs and contents, for others to verify; the log says that it was made',
    )
    .argument('<file>', 'a file that does not exist yet')
    .requiredOption('--reason <text>', 'why: it stands in the file and in the log')
    .option('--from <index>', 'first entry (default 0)', position)
    .option('--to <index>', 'one after the last entry (default: all)', position)
    .option(
      '--removal <index>',
      'only the proof of a purge or an erasure: the entry that says which contents went',
      position,
    )
    .option('--without-content', 'no contents, only that and when something was done')
    .action(async (path: string, options: ExportOptions) => {
      const { reason } = options
      const { from, to } = rangeOf(options)
      const client = controlClient(options)
      if (options.removal !== undefined) await checkRemoval(client, options.removal)
      // Before anything is asked: an export that nobody holds would stand in the log.
      const handle = await openNew(path)
      let file: Uint8Array
      try {
        file = await client.exportAudit({
          reason,
          content: options.withoutContent === true ? 'withheld' : 'included',
          ...(from === undefined ? {} : { from }),
          ...(to === undefined ? {} : { to }),
        })
        await handle.writeFile(file)
        await handle.sync()
      } catch (error) {
        await rm(path, { force: true })
        throw error
      } finally {
        await handle.close()
      }
      const digest = createHash('sha256').update(file).digest('hex')
      if (options.json === true) printJson({ file: path, bytes: file.byteLength, digest })
      else {
        printData(`${path}: ${file.byteLength} bytes, SHA-256 ${digest}`)
        printNote(`Anybody can check it, without an agent: askee audit verify-export ${path}`)
      }
    })
}

function rangeOf({ from, to, removal, withoutContent }: ExportOptions): { from?: number; to?: number } {
  if (removal === undefined) {
    return { ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }) }
  }
  if (from !== undefined || to !== undefined || withoutContent === true) {
    throw usageError(
      '--removal names one entry with its content: leave out --from, --to and --without-content',
    )
  }
  return { from: removal, to: removal + 1 }
}

async function checkRemoval(client: ControlClient, index: number): Promise<void> {
  if ((await client.auditRemovals()).some((removal) => removal.index === index)) return
  throw usageError(
    `entry ${index} does not say that contents went, so it proves no purge and no erasure: askee audit removals lists those that do`,
  )
}

/** `askee audit verify-export`: needs no agent and no database. */
export function verifyExportCommand(): Command {
  return new Command('verify-export')
    .description('whether an export is whole and its node signed it; asks no agent')
    .argument('<file>', 'what askee audit export wrote')
    .option('--node <id>', 'whose log it must be; else the file says it')
    .option('--entries', 'with --json: all entries as well')
    .option('--json', 'print one JSON value and nothing else on standard output')
    .action(async (path: string, options: { node?: string; entries?: boolean; json?: boolean }) => {
      const { MAX_EXPORT_BYTES, verifyExport } = await import('@askee/audit')
      const bytes = await stat(path).then(
        ({ size }) => size,
        () => 0,
      ) // what is not there is told below
      if (bytes > MAX_EXPORT_BYTES) {
        throw new AskeeError(
          'audit/export-too-large',
          `${path} has ${bytes} bytes, an export at most ${MAX_EXPORT_BYTES}`,
        )
      }
      const file = await readNamedFile(path)
      let verified: VerifiedExport
      try {
        verified = verifyExport(file, options.node as NodeId | undefined)
      } catch (error) {
        printNote(
          errorCode(error) === 'audit/content-missing'
            ? 'The log was not whole when this was exported: somebody took a content away, and no purge or erasure says so.'
            : 'Do not rely on this file: it was changed, cut off or never whole. Ask for it again, and compare its SHA-256 with the one in the log of the node (audit.exported).',
        )
        throw error
      }
      if (options.json === true) printJson(summary(verified, options.entries === true ? 'entries' : 'none'))
      else printData(text(verified))
      if (options.node === undefined) {
        printNote('Whose log it is, the file says itself: name the node with --node ID.')
      }
    })
}

/** Never over another file: what is there may be evidence. */
async function openNew(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'wx', 0o600)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw usageError(`cannot write ${path}: ${code === 'EEXIST' ? 'it is there already' : String(code)}`)
  }
}

function summary({ entries, checkpoint, removals, ...rest }: VerifiedExport, shown: 'entries' | 'none') {
  const { size, cosignatures } = checkpoint
  return {
    valid: true,
    ...rest,
    checkpoint: { size, cosignatures },
    contents: contentsOf(entries),
    removals: removals.flatMap(removalView),
    ...(shown === 'none'
      ? {}
      : {
          entries: entries.map(({ index, entry, event }) => ({
            index,
            at: entry.at,
            action: entry.action,
            outcome: entry.outcome,
            ...(typeof event === 'string'
              ? { state: event }
              : { state: 'readable', subject: event.subject, content: event.content }),
          })),
        }),
  }
}

/** What went, by which act; a cancelled one says that nothing did. */
function removalView({ index, at, removal }: VerifiedExport['removals'][number]) {
  if (removal.kind === 'cancelled') return []
  const { kind, count, first, last, ranges } = removal
  const because = kind === 'purged' ? removal.rule : `asked for in entry ${removal.request}`
  return [
    {
      index,
      at,
      kind,
      because,
      count,
      first,
      last,
      ranges: ranges.map((range) => [range.first, range.last]),
    },
  ]
}

function contentsOf(entries: VerifiedExport['entries']) {
  // Damaged ones are none of a whole export.
  const counts = { readable: 0, erased: 0, purged: 0, withheld: 0, damaged: 0 }
  for (const { event } of entries) counts[typeof event === 'string' ? event : 'readable']++
  return counts
}

function text(verified: VerifiedExport): string {
  const { node, exporter, reason, at, from, to, number, unproven, digest, checkpoint, entries, previous } =
    verified
  const removals = verified.removals.flatMap(removalView)
  const counts = contentsOf(entries)
  return [
    `log of       ${node}`,
    `exported     ${new Date(at).toISOString()} for ${printable(exporter)}: ${printable(reason)}`,
    `${to - from === 1 ? `entry        ${from}` : `entries      ${from} to ${to - 1}`}: ${counts.readable} readable, ${counts.erased} erased, ${counts.purged} purged, ${counts.withheld} withheld`,
    `checkpoint   ${checkpoint.size} entries, cosigned by ${checkpoint.cosignatures.length}`,
    `custody      export ${number}${previous.length === 0 ? '' : `, after ${previous.map((one) => `${one.number} (entry ${one.index}, ${one.digest.slice(0, 16)}…)`).join(', ')}`}${unproven === 0 ? '' : `; NOT PROVEN: the ${unproven} before it, made while an alarm was open`}`,
    ...removals.map(
      ({ index, at, kind, because, count, ranges }) =>
        `${kind.padEnd(12)} the content${count === 1 ? ' of entry' : `s of ${count} entries:`} ${shown(ranges)}; ${printable(because)}, said in entry ${index} on ${new Date(at).toISOString()}`,
    ),
    `SHA-256      ${digest}`,
    'whole: nothing was changed, left out or added',
  ].join('\n')
}

/** Ranges shown in a line; `--json` has them all. */
const MAX_RANGES = 12

function shown(ranges: readonly (readonly number[])[]): string {
  const text = ranges
    .slice(0, MAX_RANGES)
    .map(([first, last]) => (first === last ? `${first}` : `${first} to ${last}`))
    .join(', ')
  return ranges.length > MAX_RANGES ? `${text}, …` : text
}
