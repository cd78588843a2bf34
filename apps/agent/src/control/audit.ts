import {
  type AuditLog,
  type Exporter,
  openCheckpoint,
  parseEntry,
  type ReadEntry,
  type Retention,
  verifyLog,
} from '@askee/audit'
import {
  type AuditAcceptedView,
  type AuditEntriesView,
  type AuditEntryView,
  type AuditProofView,
  type AuditVerificationView,
  auditAcceptSchema,
  auditExportSchema,
  auditPageSchema,
} from '@askee/client'
import type { ConsentRegistry } from '@askee/consent'
import { errorCode, parse, type Timers, toHex } from '@askee/core'
import type { Identity } from '@askee/keys'
import type { Database, Vault } from '@askee/store'
import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import type { AuditWatch } from '../audit-watch.ts'
import { standingView, verdictOf, watchedView } from './audit-standing.ts'

export interface AuditRouteParts {
  readonly identity: Identity
  readonly volunteer: Identity
  readonly consents: ConsentRegistry
  readonly audit: AuditParts
}

/** The log and what stands around it. */
export interface AuditParts {
  readonly log: AuditLog
  readonly database: Database
  readonly vault: Vault
  readonly watch: AuditWatch
  readonly exporter: Exporter
  readonly retention: Retention
  readonly timers: Timers
}

/** Opened between two turns of the event loop: what a revoked consent runs must be killed meanwhile. */
const ENTRIES_A_TURN = 32

const indexSchema = z
  .string()
  .regex(/^\d{1,15}$/, 'expected the number of an entry')
  .transform(Number)

/** What was done on this node, and the proof of it. */
export function auditRoutes(server: FastifyInstance, parts: AuditRouteParts): void {
  const { log, watch, exporter } = parts.audit
  const { checkpointing, standing } = watch

  server.get('/v1/audit/entries', async ({ query }): Promise<AuditEntriesView> => {
    const { about, limit, before } = parse(query, auditPageSchema)
    const size = log.size()
    const end = Math.min(before ?? size, size)
    // One more than is shown says whether there are older ones.
    const positions =
      about === undefined
        ? Array.from({ length: Math.min(limit + 1, end) }, (_, i) => end - Math.min(limit + 1, end) + i)
        : log.about(about, limit + 1, end)
    const shown = positions.slice(-limit)
    const entries: AuditEntryView[] = []
    for (const index of shown) {
      if (entries.length % ENTRIES_A_TURN === ENTRIES_A_TURN - 1) await parts.audit.timers.sleep(0)
      entries.push(entryView(readEntry(log, index)))
    }
    return { size, entries, before: positions.length > shown.length ? (shown[0] ?? null) : null }
  })

  server.post('/v1/audit/verify', () => verification(parts))

  server.post('/v1/audit/beginnings', async ({ body }): Promise<AuditAcceptedView> => {
    const { reason } = parse(body, auditAcceptSchema)
    standing.assertHeld()
    // First: once the state is accepted the gate is open, and one that was revoked since may be live in it.
    const suspended = parts.consents.putBack('it stands in a state of before')
    await standing.accept(reason)
    checkpointing.sign()
    await checkpointing.cosign()
    return { audit: standingView(log, watch), suspended: suspended.map(({ id }) => id) }
  })

  server.post('/v1/audit/exports', async ({ body }, reply) => {
    const { reason, content, from, to } = parse(body, auditExportSchema)
    const range = { ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }) }
    const file = await exporter.make({ reason, content, exporter: parts.volunteer.id, ...range })
    return reply
      .type('application/octet-stream')
      .send(Buffer.from(file.buffer, file.byteOffset, file.byteLength))
  })

  server.get<{ Params: { index: string } }>(
    '/v1/audit/entries/:index/proof',
    async ({ params }): Promise<AuditProofView> => {
      const index = parse(params.index, indexSchema)
      log.prove(index) // refuses a number that does not exist before anything is signed for it
      const { size, note } = checkpointing.covering(index + 1) ?? checkpointing.sign()
      const { entry, hashes } = log.prove(index, size)
      return { index, size, entry: toHex(entry), hashes: hashes.map(toHex), note }
    },
  )
}

type ShownEntry = Omit<ReadEntry, 'event'> & { readonly event: ReadEntry['event'] | 'damaged' }

/** One content that was damaged must not keep the page from its reader; `verify` says what is wrong with it. */
function readEntry(log: AuditLog, index: number): ShownEntry {
  try {
    return log.read(index)
  } catch (error) {
    const code = errorCode(error) ?? ''
    if (!code.startsWith('store/') && code !== 'audit/content') throw error
    return { index, entry: parseEntry(log.prove(index).entry), event: 'damaged' }
  }
}

function entryView({ index, entry, event }: ShownEntry): AuditEntryView {
  const { at, action, outcome } = entry
  return typeof event === 'string'
    ? { index, at, action, outcome, state: event, subject: null, content: null }
    : { index, at, action, outcome, state: 'readable', subject: event.subject, content: { ...event.content } }
}

/** The log against itself, its own checkpoints and what connected witnesses keep of it. */
async function verification({ audit, identity }: AuditRouteParts): Promise<AuditVerificationView> {
  const { log, watch } = audit
  const { checkpointing, inquiry, beginnings, standing } = watch
  // What others keep, before anything new is signed.
  const { asked, answered, kept } = await inquiry.askAll()
  if (log.size() > 0 && !standing.isHeld()) checkpointing.sign()
  await checkpointing.cosign()
  const latest = checkpointing.latest()
  const known = kept.flatMap(({ notes }) => notes).filter((note) => isOf(note, beginnings.current().log))
  const verified = await verifyLog({ ...audit, origin: identity.id }, known)
  const watched = watchedView(watch)
  const verdict = verdictOf(verified.found, watched)
  const { alarms, cosigned } = watched
  // That somebody looked, and what was found, is itself evidence.
  await log.append({
    action: 'audit.verified',
    subject: 'audit-verifications',
    outcome: verdict === 'changed' ? 'failed' : 'done',
    content: {
      verdict,
      entries: verified.entries,
      findings: verified.found,
      alarms: alarms.length,
      cosigned: cosigned?.size ?? 0,
    },
  })
  return {
    verdict,
    entries: verified.entries,
    checkpoints: verified.checkpoints,
    contents: verified.contents,
    findings: verified.findings.map((finding) => ({ ...finding })),
    found: verified.found,
    latest:
      latest === undefined
        ? null
        : { size: latest.size, cosignedBy: latest.cosignatures.map(({ witness }) => witness) },
    asked,
    answered,
    witnesses: kept.map(({ witness }) => witness),
    ...watched,
  }
}

/** Of a log that ended, what others keep says nothing of the one that is written now. */
function isOf(note: string, log: string): boolean {
  try {
    return openCheckpoint(note).log === log
  } catch {
    return false
  }
}
