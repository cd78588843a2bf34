import { AskeeError, bytesEqual, type Clock, errorText, type Logger, type NodeId } from '@askee/core'
import type { Database } from '@askee/store'
import { openCheckpoint, type SignedCheckpoint } from '../checkpoint.ts'
import type { AuditLog } from '../log.ts'
import { type Alarm, type AlarmCode, Alarms } from './alarms.ts'
import type { Beginning, FormerLog } from './beginning.ts'
import type { Beginnings } from './beginnings.ts'
import { olderStore } from './stores.ts'

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
  /** Compares the newest own checkpoint with log and databases, and writes down what a crash kept from the log. */
  checkOwn(): void
  /** Writes the alarms that the disk has not taken yet; to be called again and again. Those are in force all the same. */
  settle(): void
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
  readonly #alarms: Alarms
  readonly #listeners = new Set<(alarm: Alarm) => void>()

  constructor(components: StandingComponents) {
    this.#components = components
    this.#alarms = new Alarms(components)
  }

  alarms(): readonly Alarm[] {
    return this.#alarms.of(this.#components.beginnings.current().log)
  }

  isHeld(): boolean {
    return this.alarms().length > 0
  }

  assertGood(): void {
    const [first] = this.alarms()
    if (first === undefined) return
    throw new AskeeError(
      first.code,
      `${first.text}. Nothing new is granted or taken on, and nothing removed from the log. Put the newest copy back, or accept this state with askee audit accept --reason WHY.`,
    )
  }

  assertHeld(): void {
    if (this.isHeld()) return
    throw new AskeeError('audit/nothing-to-accept', 'nothing speaks against this log: it goes on as it is')
  }

  settle(): void {
    this.#alarms.settle()
  }

  checkOwn(): void {
    const { database, beginnings, logger } = this.#components
    try {
      this.#alarms.tellAgain(beginnings.current().log)
    } catch (error) {
      logger.error({ error: errorText(error) }, 'audit: the alarms in the log could not be read')
    }
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
      logger.error({ error: errorText(error) }, 'audit: the newest checkpoint is damaged')
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

  #raise(code: AlarmCode, witness: NodeId | null, text: string, note: string | null): false {
    const { beginnings, clock, logger } = this.#components
    const alarm: Alarm = { code, witness, text, note, at: clock.now() }
    if (!this.#alarms.add(beginnings.current().log, alarm)) return false
    logger.error({ code, witness }, `audit: ${text}`)
    for (const listener of this.#listeners) listener(alarm)
    return false
  }
}
