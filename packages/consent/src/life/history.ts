import {
  AskeeError,
  type AuditEvent,
  type AuditReceipt,
  type AuditSink,
  type Clock,
  errorText,
  type Logger,
  type Timestamp,
} from '@askee/core'
import type { Database } from '@askee/store'
import type { ConsentAct } from './state.ts'

export type HistoryAct = ConsentAct | 'used' | 'erased' | 'told'

/** One act, as it is kept and exported (CON-7). */
export interface HistoryEntry {
  readonly sequence: number
  readonly at: Timestamp
  readonly act: HistoryAct
  readonly consent: string
  readonly outcome: AuditEvent['outcome']
  readonly content: AuditEvent['content']
  /** Where it stands in the audit log; null while it is on its way there. */
  readonly receipt: AuditReceipt | null
}

/** What was done with consents: rows that are added and never changed, each sent on to the audit log. */
export interface ConsentHistory {
  /** On disk when it returns, or with the transaction that it is part of. */
  write(
    act: HistoryAct,
    consent: string,
    outcome?: AuditEvent['outcome'],
    content?: AuditEvent['content'],
  ): void
  /** Oldest first; of one consent, or of all. */
  entries(consent?: string): readonly HistoryEntry[]
  /** Resolves when every row has its receipt, or the audit log does not take them now. */
  settled(): Promise<void>
}

/** Rows sent to the audit log in one go. */
const BATCH = 100

/**
 * The history in `database`. Rows that a crash kept from the audit log are sent when it is opened again.
 * @param components.database with `CONSENT_MIGRATIONS`
 */
export function openHistory(components: {
  readonly database: Database
  readonly clock: Clock
  readonly audit: AuditSink
  readonly logger: Logger
}): ConsentHistory {
  const { database, clock, audit, logger } = components
  const insert = database.prepare(
    'INSERT INTO history (at, act, consent, outcome, content) VALUES (?, ?, ?, ?, ?)',
  )
  const select = `SELECT h.sequence, at, act, consent, outcome, content, log_index, leaf
    FROM history h LEFT JOIN receipts r ON r.sequence = h.sequence`
  const unsent = database.prepare(
    `${select} WHERE h.sequence > ? AND r.sequence IS NULL ORDER BY h.sequence LIMIT ${BATCH}`,
  )
  const receive = database.prepare('INSERT INTO receipts (sequence, log_index, leaf) VALUES (?, ?, ?)')
  let sending: Promise<void> | null = null
  let isBehind = false
  /** Up to here every row has its receipt: what was sent in years is not read again for each act. */
  let sent = 0

  const send = async (): Promise<void> => {
    // The row may stand in a transaction that is not committed yet.
    await Promise.resolve()
    for (;;) {
      isBehind = false
      const rows = unsent.all(sent) as Row[]
      if (rows.length === 0) return
      for (const row of rows) {
        const { act, consent, outcome, content, sequence, at } = entryOf(row)
        const event: AuditEvent = {
          action: `consent.${act}`,
          subject: consent,
          outcome,
          content: { ...content, at, sequence },
        }
        const { index, leaf } = await written(audit, event, sequence)
        receive.run(sequence, index, leaf)
        sent = sequence
      }
    }
  }
  const settled = (): Promise<void> => {
    sending ??= send()
      .catch((error: unknown) =>
        logger.error({ error: errorText(error) }, 'the audit log did not take an act'),
      )
      .finally(() => {
        sending = null
        // Written after the last look.
        if (isBehind) void settled()
      })
    return sending
  }
  void settled()

  return {
    write(act, consent, outcome = 'done', content = {}) {
      insert.run(clock.now(), act, consent, outcome, JSON.stringify(content))
      isBehind = true
      void settled()
    },
    entries: (consent) =>
      (consent === undefined
        ? database.prepare(`${select} ORDER BY h.sequence`).all()
        : database.prepare(`${select} WHERE consent = ? ORDER BY h.sequence`).all(consent)
      ).map((row) => entryOf(row as Row)),
    settled,
  }
}

/**
 * A row that the log does not take as it is must hold up no other, and not be lost silently either: an act that names it
 * stands there in its place.
 */
async function written(audit: AuditSink, event: AuditEvent, sequence: number): Promise<AuditReceipt> {
  try {
    return await audit.append(event)
  } catch (error) {
    // A disk that fails is wrong with all rows: they wait.
    if (!(error instanceof AskeeError)) throw error
    return audit.append({
      action: 'consent.unrecorded',
      subject: 'system',
      outcome: 'failed',
      content: { sequence, why: error.code },
    })
  }
}

interface Row {
  readonly sequence: number
  readonly at: number
  readonly act: string
  readonly consent: string
  readonly outcome: string
  readonly content: string
  readonly log_index: number | null
  readonly leaf: string | null
}

function entryOf({ log_index: index, leaf, content, act, outcome, ...row }: Row): HistoryEntry {
  return {
    ...row,
    act: act as HistoryAct,
    outcome: outcome as HistoryEntry['outcome'],
    content: contentOf(content),
    receipt: index === null || leaf === null ? null : { index, leaf },
  }
}

/** What cannot be read any more keeps nobody from reading the rest. */
function contentOf(text: string): HistoryEntry['content'] {
  try {
    return JSON.parse(text)
  } catch {
    return { damaged: true }
  }
}
