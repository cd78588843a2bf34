import {
  type ConsentGate,
  type ConsentHoldings,
  type ConsentPermissions,
  type ConsentRegistry,
  consentTopics,
  createConsentHoldings,
  createRevocationBook,
  createRevocationExchange,
  createTokenVerifier,
  type RevocationBook,
} from '@askee/consent'
import { grantForTest, testRegistry } from '@askee/consent/testing'
import {
  type BlockStore,
  type Clock,
  type Fuel,
  type Mesh,
  type NodeId,
  silentLogger,
  systemClock,
  systemTimers,
} from '@askee/core'
import { createMemoryBlockStore, createMemoryMeshNetwork, seededRandom } from '@askee/core/testing'
import { createIdentity, type Identity } from '@askee/keys'
import type { Executor } from '@askee/sandbox'
import type { CampaignSpec, EngineName, Requester, Worker } from '../../src/api.ts'
import { computeTopics } from '../../src/protocol/topic.ts'
import type { RequesterInit } from '../../src/requester/init.ts'
import { createRequester } from '../../src/requester/requester.ts'
import type { WorkerInit } from '../../src/worker/init.ts'
import { createWorker } from '../../src/worker/worker.ts'
import { createFunctionExecutor, EMPTY_MODULE, honest, type TaskFunction } from './function-executor.ts'

const HOUR = 3_600_000

export const PERMISSIONS: ConsentPermissions = {
  resources: { cpuPercentMax: 50, ramMbMax: 256, storageGbMax: 1, bandwidthMbpsMax: 10 },
  tasks: { kinds: ['scientific-compute'], minReputation: 0, maxDurationHours: 1 },
  monitoring: { userActivityYield: true, resourceMonitoring: true, auditLogging: true },
}

/** Times short enough for tests over memory. */
export const FAST: Omit<RequesterInit, 'journal'> = {
  commitPeriod: 1,
  sweepPeriod: 20,
  silence: 300,
  disconnectGrace: 50,
  requestTimeout: 500,
  retryFor: 600,
  retryDelay: 30,
  announceFirst: 50,
  announceLongest: 200,
  policy: {
    stragglerFloor: 150,
    revealTimeout: 1500,
    poolSettle: 150,
    poolGrace: 600,
    backoffBase: 100,
    backoffCap: 500,
    busyBackoff: 20,
  },
}
export const FAST_WORKER: WorkerInit = {
  heartbeatPeriod: 60,
  offerJitter: 1,
  commitPeriod: 1,
  retryDelay: 30,
}

export interface Volunteer {
  readonly id: NodeId
  readonly identity: Identity
  readonly mesh: Mesh
  readonly worker: Worker
  /** Its consent: the id and the token. */
  readonly consent: string
  readonly token: string
  readonly registry: ConsentRegistry
  /** What is kept here under which consent. */
  readonly holdings: ConsentHoldings
}

/** A requester and volunteers in one process, over the memory mesh, with real keys, consents and journal. */
export class Cluster {
  readonly network = createMemoryMeshNetwork()
  readonly random = seededRandom(1)
  readonly blocks: BlockStore
  readonly requesterIdentity = createIdentity(this.random)
  /** As they are, but for announcements as frequent as tests over memory make them. */
  readonly topics = new Map(
    [...computeTopics(systemClock), ...consentTopics(systemClock)].map(([name, rules]) => [
      name,
      { ...rules, authorRatePerSecond: 1000 },
    ]),
  )
  readonly #stops: (() => Promise<void>)[] = []

  /** @param blocks the requester's */
  constructor(blocks: BlockStore = createMemoryBlockStore()) {
    this.blocks = blocks
  }

  /** Any node of the network. */
  async node(identity: Identity, blocks?: BlockStore): Promise<Mesh> {
    const mesh = this.network.node(identity.id, { topics: this.topics, ...(blocks && { blocks }) })
    await mesh.start()
    this.#stops.push(() => mesh.stop())
    return mesh
  }

  async requester(
    journal = ':memory:',
    { clock = systemClock, ...init }: Partial<RequesterInit> & { clock?: Clock } = {},
    wrapMesh: (mesh: Mesh) => Mesh = (mesh) => mesh,
  ): Promise<Requester & { mesh: Mesh }> {
    const mesh = await this.node(this.requesterIdentity, this.blocks)
    const { registry, database } = testRegistry(this.requesterIdentity.id)
    const revocations = createRevocationBook({ database, clock: systemClock })
    await this.#exchange(mesh, registry, revocations)
    const requester = createRequester(
      {
        mesh: wrapMesh(mesh),
        identity: this.requesterIdentity,
        clock,
        timers: systemTimers,
        random: this.random,
        logger: silentLogger,
        verifyToken: createTokenVerifier({ clock: systemClock, revocations }),
        revocations,
        blocks: this.blocks,
      },
      { ...FAST, journal, ...init },
    )
    await requester.start()
    this.#stops.push(() => requester.stop())
    return Object.assign(requester, { mesh })
  }

  /** A volunteer with a consent for the cluster's requester. */
  async volunteer(
    task: TaskFunction = honest,
    options: {
      init?: WorkerInit
      permissions?: ConsentPermissions
      gate?: (gate: ConsentGate) => ConsentGate
      wrapMesh?: (mesh: Mesh) => Mesh
      blocks?: BlockStore
      engine?: EngineName
      /** Instead of one that computes `task`. */
      executor?: Executor
    } = {},
  ): Promise<Volunteer> {
    const identity = createIdentity(this.random)
    const blocks = options.blocks ?? createMemoryBlockStore()
    const mesh = await this.node(identity, blocks)
    const { registry, database } = testRegistry(identity.id)
    const holdings = createConsentHoldings(database)
    await this.#exchange(mesh, registry, createRevocationBook({ database, clock: systemClock }))
    const { id: consent, token } = grantForTest(registry, this.requesterIdentity.id, {
      permissions: options.permissions ?? PERMISSIONS,
      lifetime: 2 * HOUR,
    })
    const worker = createWorker(
      {
        mesh: options.wrapMesh?.(mesh) ?? mesh,
        identity,
        clock: systemClock,
        timers: systemTimers,
        random: this.random,
        logger: silentLogger,
        executor: options.executor ?? createFunctionExecutor(task, options.engine),
        consents: options.gate?.(registry) ?? registry,
        endings: registry,
        uses: registry,
        holdings,
        blocks,
      },
      { ...FAST_WORKER, ...options.init },
    )
    await worker.start()
    this.#stops.push(() => worker.stop())
    return { id: identity.id, identity, mesh, worker, registry, holdings, consent, token }
  }

  /** Tells and hears of revocations, as every node does. */
  async #exchange(mesh: Mesh, registry: ConsentRegistry, book: RevocationBook): Promise<void> {
    const exchange = createRevocationExchange({
      mesh,
      clock: systemClock,
      timers: systemTimers,
      logger: silentLogger,
      registry,
      book,
    })
    await exchange.start()
    this.#stops.push(() => exchange.stop())
  }

  async volunteers(count: number, task: TaskFunction = honest): Promise<Volunteer[]> {
    const out: Volunteer[] = []
    for (let i = 0; i < count; i++) out.push(await this.volunteer(task))
    return out
  }

  async stop(): Promise<void> {
    for (const stop of this.#stops.splice(0).reverse()) await stop()
  }
}

/** A campaign of `count` tasks, each with an input of its own. */
export function campaignOf(count: number, spec: Partial<CampaignSpec> = {}): CampaignSpec {
  return {
    // What the consents of tests name.
    purpose: 'tests',
    kind: 'scientific-compute',
    module: EMPTY_MODULE,
    inputs: Array.from({ length: count }, (_, i) => Uint8Array.of(i & 0xff, i >> 8, 7)),
    resources: { fuel: 1_000_000n as Fuel, memoryBytes: 65_536, outputBytes: 1024, wallTime: 5000 },
    f: 1,
    deadline: 20_000,
    minReputation: 0,
    ...spec,
  }
}
