import {
  encode,
  type Mesh,
  type NodeId,
  silentLogger,
  systemClock,
  systemRandom,
  systemTimers,
} from '@askee/core'
import { createMemoryMeshNetwork } from '@askee/core/testing'
import { createIdentity, type Identity } from '@askee/keys'
import { type Database, openDatabase } from '@askee/store'
import {
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
  openBeginnings,
  type Standing,
  WITNESS_MIGRATIONS,
  type Witness,
} from '../../src/index.ts'
import { signClaim } from '../../src/witness/claim.ts'
import { WITNESS_PROTOCOL } from '../../src/witness/protocol.ts'
import type { OpenLog } from './logs.ts'

export const parts = { clock: systemClock, timers: systemTimers, logger: silentLogger }

/** A node's own log with all that watches over it. */
export interface OwnLog {
  readonly beginnings: Beginnings
  readonly standing: Standing
  readonly inquiry: Inquiry
  readonly checkpointing: Checkpointing
  /** The name of the log that is written now. */
  readonly name: () => string
  readonly beginning: () => Uint8Array
}

export interface OwnLogInit {
  readonly identity: Identity
  readonly mesh: Mesh
  /** The person; default: the node itself. */
  readonly owner?: Identity
  readonly stores?: readonly Database[]
}

export async function ownLog({ log, database }: OpenLog, init: OwnLogInit): Promise<OwnLog> {
  const { identity, mesh, owner = identity, stores = [] } = init
  const node = identity.id
  const beginnings = await openBeginnings({ ...parts, log, database, node, owner, random: systemRandom })
  const standing = createStanding({ ...parts, log, database, beginnings, node, stores })
  const inquiry = createInquiry({ ...parts, mesh, standing }, { retryPeriod: 10 })
  const own = { ...parts, log, database, identity, mesh, beginnings, standing, inquiry, stores }
  const { current } = beginnings
  return {
    beginnings,
    standing,
    inquiry,
    checkpointing: createCheckpointing(own),
    name: () => current().log,
    beginning: () => current().bytes,
  }
}

export interface Watcher {
  readonly id: NodeId
  readonly mesh: Mesh
  readonly witness: Witness
  readonly evidence: EvidenceBook
  /** Acts that the witness wrote down. */
  readonly acts: string[]
  /** Ends the witness and its node. */
  stop(): Promise<void>
}

/** Nodes on a mesh in memory. */
export class Watching {
  readonly #network = createMemoryMeshNetwork()
  readonly #stops: (() => Promise<void>)[] = []

  async node(identity: Identity): Promise<Mesh> {
    const mesh = this.#network.node(identity.id, { topics: new Map() })
    await mesh.start()
    this.#stops.push(() => mesh.stop())
    return mesh
  }

  async watcher(
    init: Parameters<typeof createWitness>[1] = {},
    consented: readonly NodeId[] = [],
    database = openDatabase(':memory:', WITNESS_MIGRATIONS),
  ): Promise<Watcher> {
    const identity = createIdentity(systemRandom)
    const mesh = await this.node(identity)
    const acts: string[] = []
    const audit: Pick<AuditLog, 'append'> = {
      append: async ({ action, subject }) => {
        acts.push(`${action} ${subject}`)
        return { index: acts.length - 1, leaf: '' }
      },
    }
    const isConsented = (node: NodeId): boolean => consented.includes(node)
    const evidence = createEvidenceBook({
      ...parts,
      database,
      concerns: (node) => isConsented(node) || witness.kept(node).length > 0,
    })
    const witness = createWitness({ ...parts, identity, mesh, database, evidence, audit, isConsented }, init)
    const exchange = createEvidenceExchange({ ...parts, mesh, book: evidence }, { retryPeriod: 10 })
    await witness.start()
    await exchange.start()
    const stop = async (): Promise<void> => {
      await exchange.stop()
      await witness.stop()
      await mesh.stop()
    }
    this.#stops.push(stop)
    return { id: identity.id, mesh, witness, evidence, acts, stop }
  }

  async stop(): Promise<void> {
    for (const stop of this.#stops.splice(0).reverse()) await stop()
  }
}

export interface Shown {
  readonly note: string
  readonly from: number
  readonly root: Uint8Array
  readonly proof: readonly Uint8Array[]
  readonly beginning?: Uint8Array
}

/** What a node that keeps to no rule sends to a witness. */
export function show(
  mesh: Mesh,
  signer: Identity,
  to: NodeId,
  { beginning, ...claim }: Shown,
): Promise<Uint8Array> {
  const body = encode({ claim: signClaim(signer, claim), beginning: beginning ?? null })
  return mesh.request(to, WITNESS_PROTOCOL, body)
}
