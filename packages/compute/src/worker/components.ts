import type { ConsentEndings, ConsentGate, ConsentHoldings, ConsentUses } from '@askee/consent'
import type { BlockStore, Clock, Logger, Mesh, Random, Timers } from '@askee/core'
import type { Identity } from '@askee/keys'
import type { Executor } from '@askee/sandbox'
import type { Sealing } from '@askee/store'

/** What a worker stands on. */
export interface WorkerComponents {
  readonly mesh: Mesh
  readonly identity: Identity
  readonly clock: Clock
  readonly timers: Timers
  readonly random: Random
  readonly logger: Logger
  readonly executor: Executor
  /** Asked at every door: offer, assignment, fetching, start, reveal, and at each heartbeat. */
  readonly consents: ConsentGate
  /** Tells of the end of consents in the same turn; without it running work hears of it at the next heartbeat. */
  readonly endings?: ConsentEndings
  /** Where uses of consents are written down. */
  readonly uses?: ConsentUses
  /** Where it is noted what is kept under which consent, so that its end erases it. */
  readonly holdings?: ConsentHoldings
  /** The store that the mesh serves blocks from: large outputs are pinned in it. Without it they stay in memory. */
  readonly blocks?: BlockStore
  /** Encrypts the ledger; without it the file is plain. */
  readonly sealing?: Sealing
}
