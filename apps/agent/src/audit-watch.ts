import {
  type Alarm,
  type AuditLog,
  type Beginnings,
  type Checkpointing,
  createCheckpointing,
  createEvidenceBook,
  createEvidenceExchange,
  createInquiry,
  createStanding,
  createWitness,
  type EvidenceBook,
  type Inquiry,
  type KeptEvidence,
  openBeginnings,
  type Standing,
  type Witness,
} from '@askee/audit'
import type { ConsentGate, ConsentRegistry } from '@askee/consent'
import {
  AskeeError,
  type Clock,
  type Logger,
  type Mesh,
  type NodeId,
  type Random,
  type Startable,
  type Timers,
} from '@askee/core'
import type { Identity } from '@askee/keys'
import type { Database } from '@askee/store'

export interface AuditWatchComponents {
  readonly log: AuditLog
  readonly database: Database
  readonly witnessDatabase: Database
  readonly consentsDatabase: Database
  readonly consents: ConsentRegistry
  readonly identity: Identity
  readonly owner: Identity
  readonly mesh: Mesh
  readonly clock: Clock
  readonly timers: Timers
  readonly random: Random
  readonly logger: Logger
}

/** Something that people should hear of at once. */
export type AuditNews =
  | {
      readonly type: 'audit-alarm'
      readonly code: string
      readonly text: string
      readonly witness: NodeId | null
    }
  | { readonly type: 'audit-evidence'; readonly node: NodeId; readonly log: string; readonly text: string }

/** What others see of this node's log, and this node of theirs. */
export interface AuditWatch {
  readonly beginnings: Beginnings
  readonly standing: Standing
  readonly inquiry: Inquiry
  readonly checkpointing: Checkpointing
  readonly witness: Witness
  readonly evidence: EvidenceBook
  /** To be started after the mesh and stopped before it, and before the databases close. */
  readonly parts: readonly Startable[]
  /** The gate of consent, closed while this node's state is older than others know it, and until somebody was asked. */
  gate(consents: ConsentGate): ConsentGate
  /** The returned function ends it. */
  onNews(listener: (news: AuditNews) => void): () => void
}

export async function createAuditWatch(components: AuditWatchComponents): Promise<AuditWatch> {
  const { log, database, witnessDatabase, consentsDatabase, consents } = components
  const { identity, owner, mesh, clock, timers, random, logger } = components
  const stores = [consentsDatabase, witnessDatabase]
  const node = identity.id
  const beginnings = await openBeginnings({ log, database, node, owner, clock, random })
  const standing = createStanding({ log, database, beginnings, node, stores, clock, logger })
  const inquiry = createInquiry({ mesh, standing, timers, logger })

  const isConsented = consentedNodes(consents, clock)
  const evidence = createEvidenceBook({
    database: witnessDatabase,
    clock,
    self: node,
    // Asked only once the node runs.
    concerns: (peer) => isConsented(peer) || witness.kept(peer).length > 0 || peer === node,
  })
  const witness = createWitness({
    mesh,
    identity,
    database: witnessDatabase,
    evidence,
    audit: log,
    isConsented,
    clock,
    logger,
  })
  const exchange = createEvidenceExchange({ mesh, book: evidence, timers, logger })
  const checkpointing = createCheckpointing({
    log,
    database,
    beginnings,
    standing,
    inquiry,
    identity,
    mesh,
    clock,
    timers,
    logger,
    stores,
  })
  const convict = ({ node: convicted, log: name, source, text }: KeptEvidence): void => {
    if (convicted === node) standing.convicted(name, source, `${source} shows a proof: ${text}`)
  }
  evidence.onNew(convict)
  // The proof and the alarm stand in two databases, and a crash may have come in between.
  for (const kept of evidence.of(node)) convict(kept)

  return {
    beginnings,
    standing,
    inquiry,
    checkpointing,
    witness,
    evidence,
    parts: [witness, inquiry, exchange, checkpointing],
    gate: (gate) => heldGate(gate, () => closedBecause(standing, inquiry)),
    onNews(listener) {
      const ends = [
        standing.onAlarm((alarm) => listener(alarmNews(alarm))),
        evidence.onNew((kept) => listener(evidenceNews(kept))),
      ]
      return () => {
        for (const end of ends) end()
      }
    },
  }
}

/** Whether a node has a live consent here. Asked thousands of times in a row, so the list is looked at once a second. */
function consentedNodes(consents: ConsentRegistry, clock: Clock): (node: NodeId) => boolean {
  let nodes: ReadonlySet<NodeId> = new Set()
  let until = Number.NEGATIVE_INFINITY
  return (node) => {
    const now = clock.monotonic()
    if (now >= until) {
      nodes = new Set(consents.list().flatMap(({ live, manifest }) => (live ? [manifest.requester] : [])))
      until = now + 1_000
    }
    return nodes.has(node)
  }
}

function closedBecause(standing: Standing, inquiry: Inquiry): string | undefined {
  const [alarm] = standing.alarms()
  if (alarm !== undefined) return `${alarm.code}: ${alarm.text}`
  return inquiry.isAnswered() ? undefined : 'nobody has said yet how old the state of this node is'
}

/** Every consent is as if suspended while there is a reason: one that was revoked may be live again in an old copy. */
function heldGate(gate: ConsentGate, reason: () => string | undefined): ConsentGate {
  return {
    covering: (question) => (reason() === undefined ? gate.covering(question) : undefined),
    check(consentId, question) {
      const permissions = gate.check(consentId, question)
      const why = reason()
      if (why !== undefined) throw new AskeeError('consent/suspended', `nothing is done here now: ${why}`)
      return permissions
    },
    hasEnded: (consentId) => gate.hasEnded?.(consentId) ?? false,
    limitsOf: (consentId) => gate.limitsOf(consentId),
  }
}

function alarmNews({ code, text, witness }: Alarm): AuditNews {
  return { type: 'audit-alarm', code, text, witness }
}

function evidenceNews({ node, log, text }: KeptEvidence): AuditNews {
  return { type: 'audit-evidence', node, log, text }
}
