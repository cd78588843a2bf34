import { type CampaignId, type Digest, digestOf, type NodeId, type Timestamp } from '@askee/core'
import type { Database } from '@askee/store'
import type { CoordinatorEvent } from '../coordinator/events.ts'
import { step } from '../coordinator/machine.ts'
import { type CoordinatorConfig, type CoordinatorState, initialState } from '../coordinator/state.ts'

/** What one tick adds, for one campaign. Written whole or not at all. */
export interface JournalEntry {
  readonly campaign: CampaignId
  readonly events: readonly CoordinatorEvent[]
  readonly outputs: readonly Uint8Array[]
  readonly documents: readonly SignedEvidence[]
  readonly judgements: readonly { readonly node: NodeId; readonly verdict: 'agreed' | 'dissented' }[]
}

/** A signed document of a worker. */
interface SignedEvidence {
  readonly kind: 'commitment' | 'receipts'
  readonly bytes: Uint8Array
}

export interface JournaledCampaign {
  readonly id: CampaignId
  readonly manifest: Uint8Array
  readonly submitted: Timestamp
  readonly state: CoordinatorState
}

/** The requester's memory on disk: events before their effects, and the bytes they speak of. */
export interface Journal {
  create(
    campaign: Omit<JournaledCampaign, 'state'>,
    config: CoordinatorConfig,
    blobs: readonly Uint8Array[],
  ): void
  /** One transaction for all entries: a group commit. */
  append(entries: readonly JournalEntry[]): void
  /** All campaigns, their events replayed. */
  load(): JournaledCampaign[]
  replay(campaign: CampaignId): CoordinatorState
  blob(campaign: CampaignId, digest: Digest): Uint8Array | undefined
  holds(campaign: CampaignId, digest: Digest): boolean
  document(campaign: CampaignId, digest: Digest): Uint8Array | undefined
  /** Folds the events of a finished campaign into a snapshot and drops what only a running one needs. */
  compact(campaign: CampaignId, state: CoordinatorState): void
}

/** A journal in `database`, which was opened with JOURNAL_MIGRATIONS. */
export function createJournal(database: Database): Journal {
  const insertCampaign = database.prepare(
    'INSERT INTO campaigns (id, manifest, config, submitted) VALUES (?, ?, ?, ?)',
  )
  const insertEvents = database.prepare(
    `INSERT INTO events (campaign, sequence, events)
     SELECT ?, coalesce(max(sequence), 0) + 1, ? FROM events WHERE campaign = ?`,
  )
  const insertBlob = database.prepare(
    'INSERT OR IGNORE INTO blobs (campaign, digest, bytes) VALUES (?, ?, ?)',
  )
  const insertDocument = database.prepare(
    'INSERT OR IGNORE INTO documents (campaign, digest, kind, document) VALUES (?, ?, ?, ?)',
  )
  const judge = database.prepare(
    `INSERT INTO conduct (node, agreed, decided) VALUES (?, ?, 1)
     ON CONFLICT (node) DO UPDATE SET agreed = agreed + excluded.agreed, decided = decided + 1`,
  )
  const selectBlob = database.prepare('SELECT bytes AS value FROM blobs WHERE campaign = ? AND digest = ?')
  const hasBlob = database.prepare('SELECT 1 FROM blobs WHERE campaign = ? AND digest = ?')
  const selectDocument = database.prepare(
    'SELECT document AS value FROM documents WHERE campaign = ? AND digest = ?',
  )
  const selectEvents = database.prepare('SELECT events FROM events WHERE campaign = ? ORDER BY sequence')

  const selectCampaign = database.prepare('SELECT config, snapshot FROM campaigns WHERE id = ?')

  const bytesOf = (row: unknown): Uint8Array | undefined => {
    const value = (row as { value: Uint8Array } | undefined)?.value
    return value === undefined ? undefined : Uint8Array.from(value)
  }

  const replay = (id: CampaignId): CoordinatorState => {
    const row = selectCampaign.get(id) as { config: string; snapshot: string | null }
    const state: CoordinatorState =
      row.snapshot === null ? initialState(JSON.parse(row.config)) : JSON.parse(row.snapshot)
    for (const { events } of selectEvents.all(id) as { events: string }[]) {
      for (const event of JSON.parse(events) as CoordinatorEvent[]) step(state, event)
    }
    return state
  }

  const writeEntry = (entry: JournalEntry): void => {
    const { campaign } = entry
    if (entry.events.length > 0) insertEvents.run(campaign, JSON.stringify(entry.events), campaign)
    // Replicas of one task mostly give the same output.
    const outputs = new Map(entry.outputs.map((bytes) => [digestOf(bytes), bytes]))
    for (const [digest, bytes] of outputs) insertBlob.run(campaign, digest, bytes)
    for (const { kind, bytes } of entry.documents) insertDocument.run(campaign, digestOf(bytes), kind, bytes)
    for (const { node, verdict } of entry.judgements) judge.run(node, verdict === 'agreed' ? 1 : 0)
  }

  return {
    create: database.transaction((campaign, config, blobs) => {
      insertCampaign.run(campaign.id, campaign.manifest, JSON.stringify(config), campaign.submitted)
      for (const bytes of blobs) insertBlob.run(campaign.id, digestOf(bytes), bytes)
    }),
    append: database.transaction((entries) => {
      for (const entry of entries) writeEntry(entry)
    }),
    load() {
      const rows = database
        .prepare('SELECT id, manifest, submitted FROM campaigns ORDER BY submitted, id')
        .all() as { id: CampaignId; manifest: Uint8Array; submitted: number }[]
      return rows.map((row) => ({
        id: row.id,
        manifest: Uint8Array.from(row.manifest),
        submitted: row.submitted,
        state: replay(row.id),
      }))
    },
    replay,
    blob: (campaign, digest) => bytesOf(selectBlob.get(campaign, digest)),
    holds: (campaign, digest) => hasBlob.get(campaign, digest) !== undefined,
    document: (campaign, digest) => bytesOf(selectDocument.get(campaign, digest)),
    compact: database.transaction((campaign, state) => {
      database.prepare('UPDATE campaigns SET snapshot = ? WHERE id = ?').run(JSON.stringify(state), campaign)
      database.prepare('DELETE FROM events WHERE campaign = ?').run(campaign)
      const keptBlobs = JSON.stringify(
        state.tasks.flatMap((task) => (task.outcome?.kind === 'accepted' ? [task.outcome.vote.output] : [])),
      )
      database
        .prepare('DELETE FROM blobs WHERE campaign = ? AND digest NOT IN (SELECT value FROM json_each(?))')
        .run(campaign, keptBlobs)
      const evidence = JSON.stringify(state.accusations.flatMap((accusation) => accusation.evidence))
      database
        .prepare(
          `DELETE FROM documents WHERE campaign = ? AND kind = 'commitment'
           AND digest NOT IN (SELECT value FROM json_each(?))`,
        )
        .run(campaign, evidence)
    }),
  }
}
