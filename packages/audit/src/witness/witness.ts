import {
  AskeeError,
  bytesEqual,
  type Clock,
  decode,
  encode,
  type Logger,
  type Mesh,
  type MeshRequest,
  type NodeId,
  type Startable,
} from '@askee/core'
import type { Database, Migration } from '@askee/store'
import { cosign, type NoteSigner, openCheckpoint, type SignedCheckpoint } from '../checkpoint.ts'
import { verifyConsistency } from '../merkle.ts'
import {
  MAX_WITNESS_BYTES,
  WITNESS_LIMITS,
  WITNESS_PROTOCOL,
  type WitnessAnswer,
  witnessRequestSchema,
} from './protocol.ts'

/** Logs whose checkpoints are kept; further ones are refused, so that nobody fills the disk. */
const MAX_ORIGINS = 10_000
/** Contradictions kept of one log: one is enough to prove it, the others only cost. */
const MAX_CONTRADICTIONS = 4
/** Of these, notes whose growth was only not shown: an owner must not fill the places of a proof with them. */
const MAX_UNSHOWN = 2

export const WITNESS_MIGRATIONS: readonly Migration[] = [
  {
    version: 1,
    sql: `
      -- the last checkpoint cosigned of each log
      CREATE TABLE witnessed (
        origin TEXT PRIMARY KEY, size INTEGER NOT NULL, root BLOB NOT NULL, note TEXT NOT NULL, at INTEGER NOT NULL
      ) STRICT;
      -- what was signed and does not grow from it
      CREATE TABLE contradictions (
        origin TEXT NOT NULL, kept TEXT NOT NULL, received TEXT NOT NULL, at INTEGER NOT NULL
      ) STRICT;
      CREATE INDEX contradictions_by_origin ON contradictions (origin);
    `,
  },
]

export interface WitnessComponents {
  readonly mesh: Mesh
  readonly identity: NoteSigner
  /** With the tables of `WITNESS_MIGRATIONS`. */
  readonly database: Database
  readonly clock: Clock
  readonly logger: Logger
}

/** Two signed notes of one log, of which one cannot be the beginning of the other, or was not shown to be. */
export interface Contradiction {
  readonly origin: NodeId
  readonly kept: string
  readonly received: string
}

/** Cosigns other nodes' checkpoints after a proof that their logs only grew, and keeps what it cosigned. */
export interface Witness extends Startable {
  /** The last cosigned note of a log. */
  kept(origin: NodeId): string | undefined
  contradictions(): readonly Contradiction[]
}

export function createWitness(components: WitnessComponents): Witness {
  const { mesh, database } = components
  let close = (): void => {}
  return {
    async start() {
      close = mesh.handle(WITNESS_PROTOCOL, WITNESS_LIMITS, async (request) =>
        encode(answer(components, request)),
      )
    },
    async stop() {
      close()
    },
    kept: (origin) => keptOf(database, origin)?.note,
    contradictions: () =>
      database
        .prepare('SELECT origin, kept, received FROM contradictions ORDER BY at')
        .all() as Contradiction[],
  }
}

interface Kept {
  readonly size: number
  readonly root: Uint8Array
  readonly note: string
}

function keptOf(database: Database, origin: NodeId): Kept | undefined {
  return database.prepare('SELECT size, root, note FROM witnessed WHERE origin = ?').get(origin) as
    | Kept
    | undefined
}

function answer(components: WitnessComponents, request: MeshRequest): WitnessAnswer {
  const { note, from, proof } = decode(request.body, witnessRequestSchema, MAX_WITNESS_BYTES)
  const checkpoint = openCheckpoint(note)
  if (checkpoint.origin !== request.from) {
    throw new AskeeError('audit/origin', `${request.from} asks for the log of ${checkpoint.origin}`)
  }
  const kept = keptOf(components.database, checkpoint.origin)
  if (kept !== undefined && kept.size !== from) return { state: 'known', size: kept.size, note: kept.note }
  if (kept === undefined) checkRoom(components.database)
  else if (!grows(kept, checkpoint, proof)) return contradict(components, kept, checkpoint)
  // Kept already: who asks for it again and again gets no write to this disk each time.
  if (kept?.note === note)
    return { state: 'cosigned', line: cosign(components.identity, checkpoint.text, components.clock.now()) }
  return { state: 'cosigned', line: keep(components, checkpoint) }
}

function grows(kept: Kept, { size, root }: SignedCheckpoint, proof: readonly Uint8Array[]): boolean {
  return verifyConsistency(kept.size, kept.root, size, root, proof)
}

function checkRoom(database: Database): void {
  const count = database.prepare('SELECT count(*) FROM witnessed').pluck().get() as number
  if (count < MAX_ORIGINS) return
  throw new AskeeError('audit/witness-full', `this node watches ${count} logs already: ask another`)
}

/** On disk before it is said. */
function keep({ database, identity, clock }: WitnessComponents, checkpoint: SignedCheckpoint): string {
  const now = clock.now()
  const { origin, size, root, note, text } = checkpoint
  database.prepare('REPLACE INTO witnessed VALUES (?, ?, ?, ?, ?)').run(origin, size, root, note, now)
  return cosign(identity, text, now)
}

function contradict(components: WitnessComponents, kept: Kept, checkpoint: SignedCheckpoint): never {
  const { database, clock, logger } = components
  const { origin, size, root, note } = checkpoint
  const count = database
    .prepare('SELECT count(*) FROM contradictions WHERE origin = ?')
    .pluck()
    .get(origin) as number
  // Two roots of one size, both signed by the owner: this proves it without any word of ours.
  const forked = size === kept.size && !bytesEqual(root, kept.root)
  if (count < (forked ? MAX_CONTRADICTIONS : MAX_UNSHOWN)) {
    database
      .prepare('INSERT INTO contradictions VALUES (?, ?, ?, ?)')
      .run(origin, kept.note, note, clock.now())
  }
  logger.warn(
    { origin, kept: kept.size, received: size, forked },
    'a log contradicts what was cosigned of it',
  )
  throw new AskeeError(
    'audit/contradiction',
    `the checkpoint of ${size} entries does not grow from the one of ${kept.size} that was cosigned here`,
  )
}
