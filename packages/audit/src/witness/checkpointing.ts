import {
  AskeeError,
  bytesEqual,
  type Clock,
  decode,
  encode,
  errorText,
  type Logger,
  type Mesh,
  type Milliseconds,
  type NodeId,
  type Startable,
  type Timers,
} from '@askee/core'
import type { Database } from '@askee/store'
import { type NoteSigner, openCheckpoint, type SignedCheckpoint, signCheckpoint } from '../checkpoint.ts'
import type { AuditLog } from '../log.ts'
import { MAX_WITNESS_BYTES, WITNESS_PROTOCOL, type WitnessAnswer, witnessAnswerSchema } from './protocol.ts'

/** A new checkpoint at most so often, and only when there is something new. */
const SIGN_PERIOD_MS = 1_000
/** Others are asked less often: they are the persons' machines. */
const COSIGN_PERIOD_MS = 10_000
/** One may be away and one may be the owner's friend. */
const WITNESSES = 3
/** Asked in one round at most, while too few have answered. */
const ASKED_PER_ROUND = 8
/**
 * As far as it is looked back for what a witness knows: all cosignatures of years would be read every few seconds. Who cosigned
 * before that says itself what it keeps.
 */
const RECENT_COSIGNATURES = 'SELECT size, witness FROM audit_cosignatures ORDER BY size DESC LIMIT 1000'

export interface CheckpointingComponents {
  readonly log: AuditLog
  /** The log's own database. */
  readonly database: Database
  readonly identity: NoteSigner
  readonly mesh: Mesh
  readonly clock: Clock
  readonly timers: Timers
  readonly logger: Logger
  /** More to be signed with the state, one line each: fingerprints of databases. */
  readonly extensions?: () => readonly string[]
}

export interface CheckpointingInit {
  readonly signPeriod?: Milliseconds
  readonly cosignPeriod?: Milliseconds
  readonly witnesses?: number
}

/** Why this node's own log cannot be trusted any more. */
export interface Alarm {
  readonly witness: NodeId
  readonly text: string
  /** The note that contradicts this log; give it to `verifyLog`. */
  readonly note: string
}

/** Signs the log's state and has others cosign it. */
export interface Checkpointing extends Startable {
  /** The newest checkpoint with the cosignatures it has so far. */
  latest(): SignedCheckpoint | undefined
  /** The newest checkpoint of at least `size` entries that somebody cosigned, else the newest at all. */
  covering(size: number): SignedCheckpoint | undefined
  /** A checkpoint of all that is written, now. */
  sign(): SignedCheckpoint
  /** Asks witnesses until enough have cosigned the newest checkpoint. @returns how many have */
  cosign(signal?: AbortSignal): Promise<number>
  /** What witnesses hold against this log. */
  alarms(): readonly Alarm[]
}

export function createCheckpointing(
  components: CheckpointingComponents,
  init: CheckpointingInit = {},
): Checkpointing {
  return new LogCheckpointing(components, init)
}

class LogCheckpointing implements Checkpointing {
  readonly #components: CheckpointingComponents
  readonly #init: CheckpointingInit
  readonly #alarms = new Map<NodeId, Alarm>()
  #cancels: (() => void)[] = []
  #round: Promise<number> | undefined
  readonly #stopped = new AbortController()

  constructor(components: CheckpointingComponents, init: CheckpointingInit) {
    this.#components = components
    this.#init = init
  }

  async start(): Promise<void> {
    const { timers, logger, log } = this.#components
    this.#cancels = [
      timers.every(this.#init.signPeriod ?? SIGN_PERIOD_MS, () => {
        try {
          if (log.size() > (this.#newest()?.size ?? 0)) this.sign()
        } catch (error) {
          // A full disk, for instance: what a timer throws would end the agent. The next period tries again.
          logger.error({ error: errorText(error) }, 'the audit log could not be signed')
        }
      }),
      timers.every(this.#init.cosignPeriod ?? COSIGN_PERIOD_MS, () => {
        void this.cosign(this.#stopped.signal).catch((error: unknown) =>
          logger.debug({ error: errorText(error) }, 'witnesses could not be asked'),
        )
      }),
    ]
  }

  async stop(): Promise<void> {
    for (const cancel of this.#cancels.splice(0)) cancel()
    this.#stopped.abort()
    await this.#round?.catch(() => undefined)
    if (this.#components.log.size() > (this.#newest()?.size ?? 0)) this.sign()
  }

  latest(): SignedCheckpoint | undefined {
    const newest = this.#newest()
    return newest === undefined ? undefined : openCheckpoint(newest.note + this.#lines(newest.size).join(''))
  }

  covering(size: number): SignedCheckpoint | undefined {
    const row = this.#components.database
      .prepare(
        `SELECT size, note FROM audit_checkpoints WHERE size >= ?
         ORDER BY size IN (SELECT size FROM audit_cosignatures) DESC, size DESC LIMIT 1`,
      )
      .get(size) as NoteRow | undefined
    return row === undefined ? undefined : openCheckpoint(row.note + this.#lines(row.size).join(''))
  }

  sign(): SignedCheckpoint {
    const { log, identity, database, clock, extensions } = this.#components
    const size = log.size()
    const newest = this.#newest()
    if (newest?.size === size) return openCheckpoint(newest.note)
    const note = signCheckpoint(identity, { size, root: log.root(), extensions: extensions?.() ?? [] })
    database.prepare('INSERT INTO audit_checkpoints VALUES (?, ?, ?)').run(size, clock.now(), note)
    return openCheckpoint(note)
  }

  cosign(signal?: AbortSignal): Promise<number> {
    this.#round ??= this.#ask(signal).finally(() => {
      this.#round = undefined
    })
    return this.#round
  }

  alarms(): readonly Alarm[] {
    return [...this.#alarms.values()]
  }

  async #ask(signal: AbortSignal | undefined): Promise<number> {
    const { mesh, logger } = this.#components
    const newest = this.#newest()
    if (newest === undefined) return 0
    const wanted = this.#init.witnesses ?? WITNESSES
    const held = new Set(this.#witnessesOf(newest.size))
    // Those asked before first: what they keep reaches farther back.
    const known = new Set(this.#knownWitnesses())
    const peers = mesh.peers().filter((peer) => !held.has(peer))
    const order = [...peers.filter((peer) => known.has(peer)), ...peers.filter((peer) => !known.has(peer))]
    for (const peer of order.slice(0, ASKED_PER_ROUND)) {
      if (held.size >= wanted || signal?.aborted) break
      try {
        if (await this.#askOne(peer, newest, signal)) held.add(peer)
      } catch (error) {
        logger.debug({ peer, error: errorText(error) }, 'a witness did not cosign')
      }
    }
    return held.size
  }

  async #askOne(peer: NodeId, newest: NoteRow, signal: AbortSignal | undefined): Promise<boolean> {
    const { log, database } = this.#components
    let answer = await this.#request(peer, newest, this.#lastCosigned(peer), signal)
    if (answer.state === 'known') {
      if (this.#contradicts(peer, answer)) return false
      if (answer.size > newest.size) return false
      answer = await this.#request(peer, newest, answer.size, signal)
    }
    if (answer.state === 'known') return false
    const { cosignatures } = openCheckpoint(newest.note + answer.line)
    if (!cosignatures.some(({ witness }) => witness === peer)) {
      throw new AskeeError('audit/cosignature', `${peer} sent a cosignature that is none`)
    }
    database
      .prepare('INSERT OR IGNORE INTO audit_cosignatures VALUES (?, ?, ?)')
      .run(newest.size, peer, answer.line)
    return log.size() >= newest.size
  }

  /** A note of this log that was signed with this node's key and is not a beginning of what is here: it was rolled back or forked. */
  #contradicts(peer: NodeId, { size, note }: { size: number; note: string }): boolean {
    const { log, identity, logger } = this.#components
    const kept = openCheckpoint(note)
    if (kept.origin !== identity.id || kept.size !== size) {
      throw new AskeeError('audit/checkpoint', `${peer} showed a note that is not of this log`)
    }
    const missing = kept.size > log.size()
    if (!missing && bytesEqual(log.root(kept.size), kept.root)) return false
    const text = missing
      ? `the log had ${kept.size} entries and has ${log.size()} now: it was rolled back`
      : `the log's first ${kept.size} entries are not those of before`
    this.#alarms.set(peer, { witness: peer, text, note })
    logger.error({ witness: peer, kept: kept.size, here: log.size() }, `audit: ${text}`)
    return true
  }

  async #request(
    peer: NodeId,
    { note, size }: NoteRow,
    known: number,
    signal: AbortSignal | undefined,
  ): Promise<WitnessAnswer> {
    const { mesh, log } = this.#components
    const from = Math.min(known, size)
    const body = encode({ note, from, proof: log.proveGrowth(from, size) })
    const bytes = await mesh.request(peer, WITNESS_PROTOCOL, body, {
      maxResponseBytes: MAX_WITNESS_BYTES,
      ...(signal === undefined ? {} : { signal }),
    })
    return decode(bytes, witnessAnswerSchema, MAX_WITNESS_BYTES)
  }

  #newest(): NoteRow | undefined {
    const { database } = this.#components
    return database.prepare('SELECT size, note FROM audit_checkpoints ORDER BY size DESC LIMIT 1').get() as
      | NoteRow
      | undefined
  }

  #lines(size: number): string[] {
    const { database } = this.#components
    return database
      .prepare('SELECT line FROM audit_cosignatures WHERE size = ?')
      .pluck()
      .all(size) as string[]
  }

  #witnessesOf(size: number): NodeId[] {
    const { database } = this.#components
    return database
      .prepare('SELECT witness FROM audit_cosignatures WHERE size = ?')
      .pluck()
      .all(size) as NodeId[]
  }

  #knownWitnesses(): NodeId[] {
    const { database } = this.#components
    return database.prepare(`SELECT DISTINCT witness FROM (${RECENT_COSIGNATURES})`).pluck().all() as NodeId[]
  }

  #lastCosigned(peer: NodeId): number {
    const { database } = this.#components
    const select = database
      .prepare(`SELECT max(size) FROM (${RECENT_COSIGNATURES}) WHERE witness = ?`)
      .pluck()
    return (select.get(peer) as number | null) ?? 0
  }
}

interface NoteRow {
  readonly size: number
  readonly note: string
}
