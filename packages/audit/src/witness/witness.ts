import {
  AskeeError,
  type AuditSink,
  type Clock,
  decode,
  encode,
  errorText,
  type Logger,
  type Mesh,
  type MeshRequest,
  type NodeId,
  type Startable,
} from '@askee/core'
import type { Database } from '@askee/store'
import { cosign, type NoteSigner, type SignedCheckpoint } from '../checkpoint.ts'
import { verifyConsistency } from '../merkle.ts'
import { type Beginning, openBeginning } from '../own/beginning.ts'
import { admit, TENURE } from './admission.ts'
import { type GrowthClaim, openClaim } from './claim.ts'
import { contradiction } from './evidence.ts'
import type { EvidenceBook, KeptEvidence } from './evidence-book.ts'
import {
  KEPT_LIMITS,
  KEPT_PROTOCOL,
  keptRequestSchema,
  MAX_LOGS_OF_NODE,
  MAX_WITNESS_BYTES,
  WITNESS_LIMITS,
  WITNESS_PROTOCOL,
  type WitnessAnswer,
  witnessRequestSchema,
} from './protocol.ts'
import { tokenBucket } from './token-bucket.ts'
import { type WitnessedLog, WitnessedLogs } from './witnessed-logs.ts'

/** Nodes whose logs are watched; some 6 KiB of disk each. */
const MAX_NODES = 5_000
/** Strangers that are taken on in a time, all together: each is a write to this disk. */
const NEWCOMERS = { burst: 100, perSecond: 0.1 }
/** Acts that other nodes cause in this node's log, all together: how often a log begins or has two histories is theirs to choose. */
const ACTS = { burst: 20, perSecond: 1 / 3_600 }
/** An ended log is kept so long before it makes room for a newer one of its node. */
const ENDED_KEPT_MS = 90 * 86_400_000

export interface WitnessComponents {
  readonly mesh: Mesh
  readonly identity: NoteSigner
  /** With the tables of `WITNESS_MIGRATIONS`. */
  readonly database: Database
  /** Over the same database. */
  readonly evidence: EvidenceBook
  /** Where it is written down that a peer's log began anew, or has two histories. */
  readonly audit: AuditSink
  /** Whether a node has a live consent here: its log keeps its place whatever others do. */
  readonly isConsented?: (node: NodeId) => boolean
  readonly clock: Clock
  readonly logger: Logger
}

export interface WitnessInit {
  /** Nodes watched at most. */
  readonly maxNodes?: number
  readonly newcomers?: { readonly burst: number; readonly perSecond: number }
}

/** Cosigns other nodes' checkpoints after a proof that their logs only grew, and keeps what it cosigned. */
export interface Witness extends Startable {
  /** The last cosigned notes of a node's logs, the newest log first. */
  kept(node: NodeId): string[]
  /** Nodes that are watched. */
  watched(): number
}

export function createWitness(components: WitnessComponents, init: WitnessInit = {}): Witness {
  return new LogWitness(components, init)
}

class LogWitness implements Witness {
  readonly #components: WitnessComponents
  readonly #maxNodes: number
  readonly #logs: WitnessedLogs
  readonly #mayAdd: () => boolean
  readonly #mayTellBeginning: () => boolean
  readonly #mayTellStranger: () => boolean
  readonly #cleanup: (() => void)[] = []

  constructor(components: WitnessComponents, { maxNodes = MAX_NODES, newcomers = NEWCOMERS }: WitnessInit) {
    this.#components = components
    this.#maxNodes = maxNodes
    this.#logs = new WitnessedLogs(components.database)
    this.#mayAdd = tokenBucket(components.clock, newcomers)
    this.#mayTellBeginning = tokenBucket(components.clock, ACTS)
    this.#mayTellStranger = tokenBucket(components.clock, ACTS)
  }

  async start(): Promise<void> {
    const { mesh, evidence } = this.#components
    this.#cleanup.push(
      mesh.handle(WITNESS_PROTOCOL, WITNESS_LIMITS, async (request) => encode(this.#answer(request))),
      mesh.handle(KEPT_PROTOCOL, KEPT_LIMITS, async ({ from, body }) => {
        decode(body, keptRequestSchema, KEPT_LIMITS.maxRequestBytes)
        return encode({ notes: this.kept(from) })
      }),
      evidence.onNew((kept) => this.#tell(kept)),
    )
    for (const kept of evidence.untold()) this.#tell(kept)
  }

  async stop(): Promise<void> {
    for (const clean of this.#cleanup.splice(0)) clean()
  }

  kept(node: NodeId): string[] {
    return this.#logs
      .of(node)
      .map(({ note }) => note)
      .slice(0, MAX_LOGS_OF_NODE)
  }

  watched(): number {
    return this.#logs.tenants().length
  }

  #answer(request: MeshRequest): WitnessAnswer {
    const { claim: bytes, beginning } = decode(request.body, witnessRequestSchema, MAX_WITNESS_BYTES)
    const claim = openClaim(bytes)
    const { checkpoint } = claim
    const { origin, log } = checkpoint
    if (origin !== request.from) {
      throw new AskeeError('audit/origin', `${request.from} asks for the log of ${origin}`)
    }
    if (this.#components.evidence.has(origin, log)) throw contradicted(origin)
    const logs = this.#logs.of(origin)
    const kept = logs.find((one) => one.log === log)
    if (kept === undefined) return this.#begin(checkpoint, beginning, logs)
    if (kept.ended !== null) throw new AskeeError('audit/ended', `the owner of ${origin} ended this log`)
    return this.#continue(claim, kept)
  }

  #continue(claim: GrowthClaim, kept: WitnessedLog): WitnessAnswer {
    const { checkpoint, from, proof } = claim
    const evidence = contradiction(kept.note, claim)
    if (evidence !== undefined) {
      this.#components.evidence.add(evidence, this.#components.mesh.self)
      throw contradicted(checkpoint.origin)
    }
    if (kept.size !== from) return { state: 'known', size: kept.size, note: kept.note }
    const root = Uint8Array.from(kept.root)
    if (!verifyConsistency(kept.size, root, checkpoint.size, checkpoint.root, proof)) {
      throw contradicted(checkpoint.origin)
    }
    // Kept already: who asks for it again and again gets no write to this disk each time.
    if (kept.note !== checkpoint.note) this.#logs.update(checkpoint, this.#components.clock.now())
    return this.#cosign(checkpoint)
  }

  /** A log that is not known here: of a new node, or a newer one of a node whose owner says that the others are over. */
  #begin(
    checkpoint: SignedCheckpoint,
    statement: Uint8Array | null,
    logs: readonly WitnessedLog[],
  ): WitnessAnswer {
    if (statement === null) return { state: 'unknown' }
    const beginning = openBeginning(statement)
    const { origin, log } = checkpoint
    if (beginning.node !== origin || beginning.log !== log) {
      throw new AskeeError('audit/beginning', 'the statement is of another log')
    }
    // One log of a node goes on at a time. It ends here only by a statement that names it: nobody loses a log silently.
    const open = logs.find((one) => one.ended === null && one.log !== '')
    if (open !== undefined && !beginning.former.some((named) => named.log === open.log)) {
      return { state: 'known', size: open.size, note: open.note }
    }
    if (logs.length === 0) this.#admit(origin)
    else this.#succeed(beginning, logs)
    this.#logs.add(checkpoint, statement, this.#components.clock.now())
    return this.#cosign(checkpoint)
  }

  #admit(node: NodeId): void {
    const { mesh } = this.#components
    const newcomer = this.#isConsented(node) ? 'consented' : 'stranger'
    if (newcomer === 'stranger' && !this.#mayAdd()) throw full()
    const connected = new Set(mesh.peers())
    const isProtected = (tenant: NodeId): boolean => connected.has(tenant) || this.#isConsented(tenant)
    const admission = admit(this.#logs.tenants(), newcomer, this.#maxNodes, isProtected)
    if (admission.state === 'refused') throw full()
    if (admission.evict !== null) this.#logs.remove(admission.evict)
  }

  /** Only the owner who began the log before says that it is over. */
  #succeed({ owner, node, log, reason }: Beginning, logs: readonly WitnessedLog[]): void {
    const { clock } = this.#components
    const [last] = logs.flatMap(({ beginning }) => beginning ?? [])
    const before = last === undefined ? undefined : openBeginning(Uint8Array.from(last)).owner
    if (before !== undefined && before !== owner) {
      throw new AskeeError('audit/beginning', `the logs of ${node} are begun by ${before}, not by ${owner}`)
    }
    if (logs.length >= MAX_LOGS_OF_NODE) {
      const oldest = logs.at(-1) as WitnessedLog
      if (oldest.ended === null || clock.now() - oldest.ended < ENDED_KEPT_MS) {
        throw new AskeeError(
          'audit/witness-full',
          `${node} began ${logs.length} logs already: wait, or ask another`,
        )
      }
      this.#logs.remove(node, oldest.log)
    }
    const size = logs[0]?.size ?? 0
    const former = logs[0]?.log ?? ''
    this.#components.logger.debug({ node, log, size, reason }, 'the log of a peer began anew')
    // A stranger's word costs nothing: it does not grow this log.
    if (!this.#isBusiness(node) || !this.#mayTellBeginning()) return
    this.#components.logger.warn({ node, log, size, reason }, 'the log of a peer began anew')
    void this.#writeDown('audit.peer-began-anew', node, 'done', { log, former, size, reason })
  }

  #cosign({ text }: SignedCheckpoint): WitnessAnswer {
    const { identity, clock } = this.#components
    return { state: 'cosigned', line: cosign(identity, text, clock.now()) }
  }

  /** A proof about somebody who concerns nobody here stands in the book alone, once there are many. */
  #tell(kept: KeptEvidence): void {
    const { node, log, kind, source } = kept
    const { evidence, mesh } = this.#components
    if (node !== mesh.self && !this.#isBusiness(node) && !this.#mayTellStranger()) {
      evidence.markTold(kept)
      return
    }
    void this.#writeDown('audit.peer-contradicted', node, 'failed', { log, kind, source }).then((written) => {
      if (written) evidence.markTold(kept)
    })
  }

  /** Somebody that this node works for, or watches since a while. */
  #isBusiness(node: NodeId): boolean {
    return this.#isConsented(node) || this.#logs.tenureOf(node) >= TENURE
  }

  #isConsented(node: NodeId): boolean {
    return this.#components.isConsented?.(node) ?? false
  }

  /** @returns whether it is in the log */
  async #writeDown(
    action: `audit.${string}`,
    subject: NodeId,
    outcome: 'done' | 'failed',
    content: Record<string, string | number>,
  ): Promise<boolean> {
    const { audit, logger } = this.#components
    try {
      await audit.append({ action, subject, outcome, content })
      return true
    } catch (error) {
      logger.error({ error: errorText(error) }, `${action} could not be written down`)
      return false
    }
  }
}

function full(): AskeeError {
  return new AskeeError('audit/witness-full', 'this node takes on no more logs now: ask another')
}

function contradicted(node: NodeId): AskeeError {
  return new AskeeError(
    'audit/contradiction',
    `the log of ${node} has two histories: it is cosigned here no more`,
  )
}
