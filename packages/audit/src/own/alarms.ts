import { AskeeError, type AuditEvent, errorText, type Logger, type NodeId, type Timestamp } from '@askee/core'
import type { Database } from '@askee/store'
import { openCheckpoint } from '../checkpoint.ts'
import type { AuditLog } from '../log.ts'
import { LOG_SUBJECT } from './beginnings.ts'

/** Open alarms kept; one is enough to hold this node, and peers must not choose how many rows there are. */
const MAX_ALARMS = 32
const ALARM = 'audit.alarm'

/** What speaks against this node's own state. Stable; the text beside it says what happened. */
export type AlarmCode =
  /** A checkpoint of this log has more entries than are here. */
  | 'audit/rolled-back'
  /** The first entries are not those of a checkpoint of this log. */
  | 'audit/forked'
  /** A log of this node is known of which this one says nothing. */
  | 'audit/log-anew'
  /** Others hold a proof that this log has two histories. */
  | 'audit/convicted'
  /** A database is older than a checkpoint says, or another. */
  | 'store/rolled-back'
  | 'store/swapped'

/** Why this node's own state cannot be trusted as it is. */
export interface Alarm {
  readonly code: AlarmCode
  /** Who showed it; null when it stands in the own checkpoints. */
  readonly witness: NodeId | null
  readonly text: string
  /** The checkpoint that contradicts; give it to `verifyLog`. */
  readonly note: string | null
  readonly at: Timestamp
}

interface Unwritten {
  readonly log: string
  readonly alarm: Alarm
  /** Where it is not yet: in its table, or in the log. */
  isKept: boolean
  told: 'no' | 'being' | 'yes'
}

interface AlarmsComponents {
  readonly log: AuditLog
  /** The log's own database. */
  readonly database: Database
  readonly logger: Logger
}

/**
 * Alarms, in force from the moment they are raised: whatever the disk says, for an alarm that a full disk swallowed would open
 * the gate. What it did not take is written when it does.
 */
export class Alarms {
  readonly #components: AlarmsComponents
  /** Of the log `#of`: asked each second. */
  #open: Alarm[] = []
  #of: string | undefined
  readonly #unwritten: Unwritten[] = []

  constructor(components: AlarmsComponents) {
    this.#components = components
  }

  /** Those of a log, oldest first. */
  of(log: string): readonly Alarm[] {
    if (this.#of !== log) {
      const rows = this.#components.database
        .prepare('SELECT code, witness, text, note, at FROM audit_alarms WHERE log = ? ORDER BY number')
        .all(log) as (Alarm & { witness: string })[]
      const kept = rows.map((row) => ({ ...row, witness: row.witness === '' ? null : row.witness }))
      const more = this.#unwritten.filter((one) => one.log === log && !one.isKept)
      this.#open = [...kept, ...more.map(({ alarm }) => alarm)]
      this.#of = log
    }
    return this.#open
  }

  /** @returns false when it is known, or when there are so many that one more says nothing */
  add(log: string, alarm: Alarm): boolean {
    const { logger } = this.#components
    let open: readonly Alarm[] = []
    try {
      open = this.of(log)
    } catch (error) {
      logger.error({ error: errorText(error) }, 'the alarms of before could not be read')
    }
    if (open.length >= MAX_ALARMS || open.some((one) => isSame(one, alarm))) return false
    if (this.#of === log) this.#open.push(alarm)
    this.#unwritten.push({ log, alarm, isKept: false, told: 'no' })
    this.settle()
    return true
  }

  /** Writes what is not written yet. */
  settle(): void {
    for (const one of this.#unwritten) {
      this.#keep(one)
      this.#tell(one)
    }
    this.#forget()
  }

  /** What a crash kept between the table of alarms and the log is an act of the log after all. */
  tellAgain(log: string): void {
    const { log: own } = this.#components
    const acts = own.about(LOG_SUBJECT).flatMap((index) => contentAt(own, index))
    for (const alarm of this.of(log)) {
      if (this.#unwritten.some((one) => one.alarm === alarm)) continue
      const { code, witness, text } = alarm
      const isTold = acts.some((act) => act.code === code && act.witness === witness && act.text === text)
      if (!isTold) this.#unwritten.push({ log, alarm, isKept: true, told: 'no' })
    }
    this.settle()
  }

  #keep(one: Unwritten): void {
    if (one.isKept) return
    const { database, logger } = this.#components
    const { code, witness, text, note, at } = one.alarm
    try {
      database
        .prepare('INSERT INTO audit_alarms (log, code, witness, text, note, at) VALUES (?, ?, ?, ?, ?, ?)')
        .run(one.log, code, witness ?? '', text, note, at)
      one.isKept = true
    } catch (error) {
      logger.error({ code, error: errorText(error) }, 'an alarm could not be kept yet')
    }
  }

  #tell(one: Unwritten): void {
    if (one.told !== 'no') return
    const { log, logger } = this.#components
    const { code, witness, text } = one.alarm
    one.told = 'being'
    log
      .append({ action: ALARM, subject: LOG_SUBJECT, outcome: 'failed', content: { code, witness, text } })
      .then(
        () => {
          one.told = 'yes'
          this.#forget()
        },
        (error: unknown) => {
          one.told = 'no'
          logger.error({ code, error: errorText(error) }, 'an alarm could not be written down yet')
        },
      )
  }

  #forget(): void {
    for (let i = this.#unwritten.length - 1; i >= 0; i--) {
      const one = this.#unwritten[i] as Unwritten
      if (one.isKept && one.told === 'yes') this.#unwritten.splice(i, 1)
    }
  }
}

/** A log that was rolled back grows again, and then the same note says another thing of it. */
function isSame(open: Alarm, alarm: Alarm): boolean {
  if (open.witness !== alarm.witness) return false
  if (open.note !== null && open.note === alarm.note) return true
  if (open.code !== alarm.code) return false
  // One witness may know several logs that are not here: whoever accepts them accepts all.
  return alarm.code !== 'audit/log-anew' || logOf(open) === logOf(alarm)
}

function logOf({ note }: Alarm): string | undefined {
  return note === null ? undefined : openCheckpoint(note).log
}

/** What an alarm in the log says; nothing when it is another act, or cannot be read. */
function contentAt(log: AuditLog, index: number): AuditEvent['content'][] {
  try {
    const { entry, event } = log.read(index)
    return entry.action === ALARM && typeof event !== 'string' ? [event.content] : []
  } catch (error) {
    if (error instanceof AskeeError) return []
    throw error
  }
}
