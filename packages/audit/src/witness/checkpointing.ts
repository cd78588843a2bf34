import {
  AskeeError,
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
import type { Identity } from '@askee/keys'
import type { Database } from '@askee/store'
import { openCheckpoint, type SignedCheckpoint, signCheckpoint } from '../checkpoint.ts'
import type { AuditLog } from '../log.ts'
import type { Beginnings } from '../own/beginnings.ts'
import { Checkpoints, type NoteRow } from '../own/checkpoints.ts'
import type { Standing } from '../own/standing.ts'
import { storeLines } from '../own/stores.ts'
import { signClaim } from './claim.ts'
import type { Inquiry } from './inquiry.ts'
import { MAX_WITNESS_BYTES, WITNESS_PROTOCOL, type WitnessAnswer, witnessAnswerSchema } from './protocol.ts'

/** A new checkpoint at most so often, and only when there is something new. */
const SIGN_PERIOD_MS = 1_000
/** Others are asked less often: they are the persons' machines. */
const COSIGN_PERIOD_MS = 10_000
const PRUNE_PERIOD_MS = 3_600_000
/** One may be away and one may be the owner's friend. */
const WITNESSES = 3
/** Asked in one round at most, while too few have answered. */
const ASKED_PER_ROUND = 8

export interface CheckpointingComponents {
  readonly log: AuditLog
  /** The log's own database. */
  readonly database: Database
  readonly beginnings: Beginnings
  readonly standing: Standing
  readonly inquiry: Inquiry
  readonly identity: Identity
  readonly mesh: Mesh
  readonly clock: Clock
  readonly timers: Timers
  readonly logger: Logger
  /** Sealed databases whose fingerprints are signed along: who puts an old copy back must also make the witnesses forget. */
  readonly stores?: readonly Database[]
}

export interface CheckpointingInit {
  readonly signPeriod?: Milliseconds
  readonly cosignPeriod?: Milliseconds
  readonly witnesses?: number
}

/** Signs the log's state and has others cosign it. */
export interface Checkpointing extends Startable {
  /** The newest checkpoint with the cosignatures it has so far. */
  latest(): SignedCheckpoint | undefined
  /** The newest checkpoint of this log that another node cosigned: what is after it nobody else has seen. */
  cosigned(): SignedCheckpoint | undefined
  /** The newest checkpoint of at least `size` entries that somebody cosigned, else the newest at all. */
  covering(size: number): SignedCheckpoint | undefined
  /**
   * A checkpoint of all that is written, now.
   * @throws AskeeError with the code of the alarm while one is open: a second root of a size that a witness holds would convict an
   * innocent node
   */
  sign(): SignedCheckpoint
  /**
   * Asks witnesses until enough have cosigned the newest checkpoint; nobody while an alarm is open: a history that others
   * contradict must not be spread, and an innocent node must not convict itself.
   * @returns how many have
   */
  cosign(signal?: AbortSignal): Promise<number>
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
  readonly #checkpoints: Checkpoints
  /** Asked since the start what they keep, with an answer that fits. */
  readonly #judged = new Set<NodeId>()
  #cancels: (() => void)[] = []
  #round: Promise<number> | undefined
  readonly #stopped = new AbortController()

  constructor(components: CheckpointingComponents, init: CheckpointingInit) {
    this.#components = components
    this.#init = init
    this.#checkpoints = new Checkpoints(components.database)
  }

  async start(): Promise<void> {
    const { timers, logger } = this.#components
    const prune = this.#guarded('superfluous checkpoints could not be deleted', () => this.#prune())
    prune()
    this.#cancels = [
      timers.every(
        this.#init.signPeriod ?? SIGN_PERIOD_MS,
        this.#guarded('the audit log could not be signed', () => {
          this.#components.standing.settle()
          if (!this.#components.standing.isHeld()) this.#signNew()
        }),
      ),
      timers.every(this.#init.cosignPeriod ?? COSIGN_PERIOD_MS, () => {
        void this.cosign(this.#stopped.signal).catch((error: unknown) =>
          logger.debug({ error: errorText(error) }, 'witnesses could not be asked'),
        )
      }),
      timers.every(PRUNE_PERIOD_MS, prune),
    ]
  }

  async stop(): Promise<void> {
    for (const cancel of this.#cancels.splice(0)) cancel()
    this.#stopped.abort()
    await this.#round?.catch(() => undefined)
    if (!this.#components.standing.isHeld()) this.#signNew()
  }

  latest(): SignedCheckpoint | undefined {
    const newest = this.#checkpoints.newest()
    return newest === undefined ? undefined : this.#checkpoints.open(newest)
  }

  cosigned(): SignedCheckpoint | undefined {
    const seen = this.#checkpoints.cosigned()
    return seen?.log === this.#components.beginnings.current().log ? seen : undefined
  }

  covering(size: number): SignedCheckpoint | undefined {
    return this.#checkpoints.covering(size)
  }

  sign(): SignedCheckpoint {
    const { log, identity, clock, beginnings, stores = [] } = this.#components
    const size = log.size()
    const newest = this.#checkpoints.newest()
    if (newest?.size === size) return openCheckpoint(newest.note)
    this.#components.standing.assertGood()
    const { log: name } = beginnings.current()
    const extensions = storeLines(stores)
    const note = signCheckpoint(identity, { log: name, size, root: log.root(), extensions })
    this.#checkpoints.add(size, clock.now(), note)
    return openCheckpoint(note)
  }

  cosign(signal?: AbortSignal): Promise<number> {
    this.#round ??= this.#ask(signal).finally(() => {
      this.#round = undefined
    })
    return this.#round
  }

  async #ask(signal: AbortSignal | undefined): Promise<number> {
    const { mesh, logger, standing, beginnings } = this.#components
    const newest = this.#checkpoints.newest()
    if (newest === undefined || standing.isHeld()) return 0
    // A log began and is not signed yet: the one before is over.
    if (openCheckpoint(newest.note).log !== beginnings.current().log) return 0
    const wanted = this.#init.witnesses ?? WITNESSES
    const held = new Set(this.#checkpoints.witnessesOf(newest.size))
    // Those asked before first: what they keep reaches farther back.
    const known = new Set(this.#checkpoints.recentWitnesses())
    const peers = mesh.peers().filter((peer) => !held.has(peer))
    const order = [...peers.filter((peer) => known.has(peer)), ...peers.filter((peer) => !known.has(peer))]
    for (const peer of order.slice(0, ASKED_PER_ROUND)) {
      if (held.size >= wanted || signal?.aborted) break
      try {
        if (await this.#askOne(peer, newest, signal)) held.add(peer)
      } catch (error) {
        logger.debug({ peer, error: errorText(error) }, 'a witness did not cosign')
      }
      if (standing.isHeld()) return 0
    }
    return held.size
  }

  async #askOne(peer: NodeId, newest: NoteRow, signal: AbortSignal | undefined): Promise<boolean> {
    const { standing, inquiry, beginnings } = this.#components
    // Before it is shown anything: what an innocent owner signs on a log that was rolled back would speak against him.
    if (!this.#judged.has(peer)) {
      if (!(await inquiry.ask(peer, signal))) return false
      this.#judged.add(peer)
    }
    let answer = await this.#request(peer, newest, this.#checkpoints.lastCosignedBy(peer), signal)
    if (answer.state === 'unknown') answer = await this.#request(peer, newest, 0, signal)
    if (answer.state === 'known') {
      if (!standing.judge(answer.note, peer)) return false
      const { log } = openCheckpoint(answer.note)
      if (log !== beginnings.current().log) {
        // It still watches one of before, older than the newest that the statement names.
        answer = await this.#request(peer, newest, 0, signal, beginnings.naming(log))
      } else {
        if (answer.size > newest.size) return false
        answer = await this.#request(peer, newest, answer.size, signal)
      }
    }
    if (answer.state !== 'cosigned') return false
    const { cosignatures } = openCheckpoint(newest.note + answer.line)
    if (!cosignatures.some(({ witness }) => witness === peer)) {
      throw new AskeeError('audit/cosignature', `${peer} sent a cosignature that is none`)
    }
    this.#checkpoints.addCosignature(newest.size, peer, answer.line)
    return true
  }

  async #request(
    peer: NodeId,
    { note, size }: NoteRow,
    known: number,
    signal: AbortSignal | undefined,
    statement?: Uint8Array,
  ): Promise<WitnessAnswer> {
    const { mesh, log, identity, beginnings } = this.#components
    const from = Math.min(known, size)
    const claim = signClaim(identity, {
      note,
      from,
      root: log.root(from),
      proof: log.proveGrowth(from, size),
    })
    const beginning = from === 0 ? (statement ?? beginnings.current().bytes) : null
    const bytes = await mesh.request(peer, WITNESS_PROTOCOL, encode({ claim, beginning }), {
      maxResponseBytes: MAX_WITNESS_BYTES,
      ...(signal === undefined ? {} : { signal }),
    })
    return decode(bytes, witnessAnswerSchema, MAX_WITNESS_BYTES)
  }

  #signNew(): void {
    if (this.#components.log.size() > (this.#checkpoints.newest()?.size ?? 0)) this.sign()
  }

  #prune(): void {
    const { clock, logger } = this.#components
    const pruned = this.#checkpoints.prune(clock.now())
    if (pruned > 0) logger.debug({ pruned }, 'superfluous checkpoints deleted')
  }

  /** A full disk, for instance: what a timer throws would end the agent. The next period tries again. */
  #guarded(what: string, act: () => void): () => void {
    return () => {
      try {
        act()
      } catch (error) {
        this.#components.logger.error({ error: errorText(error) }, what)
      }
    }
  }
}
