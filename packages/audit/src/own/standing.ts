import {
  AskeeError,
  bytesEqual,
  type Clock,
  errorText,
  type Logger,
  type NodeId,
  type Timestamp,
} from '@askee/core'
import type { Database } from '@askee/store'
import { openCheckpoint, type SignedCheckpoint } from '../checkpoint.ts'
import type { AuditLog } from '../log.ts'
import type { Beginning, FormerLog } from './beginning.ts'
import { type Beginnings, LOG_SUBJECT } from './beginnings.ts'
import { olderStore } from './stores.ts'

/** Open alarms kept; one is enough to hold this node, and peers must not choose how many rows there are. */
const MAX_ALARMS = 32

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

export interface StandingComponents {
  readonly log: AuditLog
  /** The log's own database. */
  readonly database: Database
  readonly beginnings: Beginnings
  readonly node: NodeId
  /** Sealed databases whose fingerprints stand in the checkpoints. */
  readonly stores?: readonly Database[]
  readonly clock: Clock
  readonly logger: Logger
}

/** Whether what is on this disk is what was here last, as far as anybody can tell (STO-1). */
export interface Standing {
  /** Alarms of the log that is written now, oldest first: on disk, until the owner accepts them. */
  alarms(): readonly Alarm[]
  /** An alarm is open: nothing new is granted or taken on, and nothing is cosigned. */
  isHeld(): boolean
  /** @throws AskeeError with the code of the first open alarm */
  assertGood(): void
  /** @throws AskeeError `audit/nothing-to-accept` */
  assertHeld(): void
  /** Compares the newest own checkpoint with log and databases. */
  checkOwn(): void
  /**
   * Compares a checkpoint of this node that a witness kept with what is here; raises an alarm when they do not fit.
   * @returns whether they fit
   * @throws AskeeError `audit/checkpoint`, `audit/signature`, `audit/origin` when it is none of this node's
   */
  judge(note: string, witness: NodeId): boolean
  /** Others can prove that this log has two histories. */
  convicted(log: string, from: NodeId, text: string): void
  /**
   * The owner takes the state as it is: a new log begins, which names the ones that the alarms speak of.
   * @throws AskeeError `audit/nothing-to-accept`, `audit/reason`
   */
  accept(reason: string): Promise<Beginning>
  /** The returned function ends it. */
  onAlarm(listener: (alarm: Alarm) => void): () => void
}

export function createStanding(components: StandingComponents): Standing {
  return new LogStanding(components)
}

class LogStanding implements Standing {
  readonly #components: StandingComponents
  readonly #listeners = new Set<(alarm: Alarm) => void>()
  /** Of the log `#of`, as they stand on disk: asked each second. */
  #open: Alarm[] = []
  #of: string | undefined

  constructor(components: StandingComponents) {
    this.#components = components
  }

  alarms(): readonly Alarm[] {
    const { database, beginnings } = this.#components
    const { log } = beginnings.current()
    if (this.#of !== log) {
      const rows = database
        .prepare('SELECT code, witness, text, note, at FROM audit_alarms WHERE log = ? ORDER BY number')
        .all(log) as (Alarm & { witness: string })[]
      this.#open = rows.map((row) => ({ ...row, witness: row.witness === '' ? null : row.witness }))
      this.#of = log
    }
    return this.#open
  }

  isHeld(): boolean {
    return this.alarms().length > 0
  }

  assertGood(): void {
    const [first] = this.alarms()
    if (first === undefined) return
    throw new AskeeError(
      first.code,
      `${first.text}. Nothing new is granted or taken on. Put the newest copy back, or accept this state with askee audit accept.`,
    )
  }

  assertHeld(): void {
    if (this.isHeld()) return
    throw new AskeeError('audit/nothing-to-accept', 'nothing speaks against this log: it goes on as it is')
  }

  checkOwn(): void {
    const { database, beginnings } = this.#components
    const note = database
      .prepare('SELECT note FROM audit_checkpoints ORDER BY size DESC LIMIT 1')
      .pluck()
      .get()
    if (note === undefined) return
    try {
      const checkpoint = openCheckpoint(note as string)
      if (checkpoint.log === beginnings.current().log) this.#compare(checkpoint, null)
    } catch (error) {
      // A damaged one is named by `verifyLog`; it must not keep the agent from starting.
      this.#components.logger.error({ error: errorText(error) }, 'audit: the newest checkpoint is damaged')
    }
  }

  judge(note: string, witness: NodeId): boolean {
    const { node, beginnings } = this.#components
    const kept = openCheckpoint(note)
    if (kept.origin !== node) {
      throw new AskeeError(
        'audit/origin',
        `${witness} showed a checkpoint of ${kept.origin}, not of this node`,
      )
    }
    if (kept.log === beginnings.current().log) return this.#compare(kept, witness)
    if (beginnings.knows(kept.log)) return true
    this.#raise(
      'audit/log-anew',
      witness,
      `this node had a log of ${kept.size} entries that is not here: it was lost, or the data directory made anew`,
      note,
    )
    return false
  }

  convicted(log: string, from: NodeId, text: string): void {
    if (log === this.#components.beginnings.current().log) this.#raise('audit/convicted', from, text, null)
  }

  async accept(reason: string): Promise<Beginning> {
    const { beginnings } = this.#components
    this.assertHeld()
    const alarms = this.alarms()
    const former = alarms.flatMap(({ note }): FormerLog[] => {
      if (note === null) return []
      const { log, size } = openCheckpoint(note)
      return log === '' ? [] : [{ log, size }]
    })
    return beginnings.begin(reason, former)
  }

  onAlarm(listener: (alarm: Alarm) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  #compare({ size, root, extensions, note }: SignedCheckpoint, witness: NodeId | null): boolean {
    const { log, stores = [] } = this.#components
    if (size > log.size()) {
      const text = `the log had ${size} entries and has ${log.size()} now: it was rolled back`
      return this.#raise('audit/rolled-back', witness, text, note)
    }
    if (!bytesEqual(log.root(size), root)) {
      const text = `the log's first ${size} entries are not those of before`
      return this.#raise('audit/forked', witness, text, note)
    }
    const older = olderStore(stores, extensions)
    if (older === undefined) return true
    return this.#raise(older.code as AlarmCode, witness, older.message, note)
  }

  /** In force and told, whatever the disk says: an alarm that a full disk swallowed would open the gate. */
  #raise(code: AlarmCode, witness: NodeId | null, text: string, note: string | null): false {
    const { database, beginnings, clock, logger, log } = this.#components
    this.alarms()
    if (this.#open.length >= MAX_ALARMS) return false
    // A log that was rolled back grows again, and then the same note says another thing of it.
    const isKnown = this.#open.some(
      (open) => open.witness === witness && (open.code === code || open.note === note),
    )
    if (isKnown) return false
    const alarm: Alarm = { code, witness, text, note, at: clock.now() }
    this.#open.push(alarm)
    logger.error({ code, witness }, `audit: ${text}`)
    try {
      database
        .prepare('INSERT INTO audit_alarms (log, code, witness, text, note, at) VALUES (?, ?, ?, ?, ?, ?)')
        .run(beginnings.current().log, code, witness ?? '', text, note, alarm.at)
    } catch (error) {
      // It holds until this process ends, and is raised again after that by whoever speaks against this log.
      logger.error({ code, error: errorText(error) }, 'an alarm could not be kept')
    }
    const content = { code, witness, text }
    log
      .append({ action: 'audit.alarm', subject: LOG_SUBJECT, outcome: 'failed', content })
      .catch((error: unknown) =>
        logger.error({ error: errorText(error) }, 'an alarm could not be written down'),
      )
    for (const listener of this.#listeners) listener(alarm)
    return false
  }
}
