import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { computeTopics, createRequester, createWorker } from '@askee/compute'
import type { ConsentGate, ConsentPermissions, TokenVerifier } from '@askee/consent'
import {
  type BlockStore,
  type Fuel,
  type Mesh,
  silentLogger,
  systemClock,
  systemRandom,
  systemTimers,
  type TopicName,
  type TopicRules,
} from '@askee/core'
import { createMemoryBlockStore, createMemoryMeshNetwork } from '@askee/core/testing'
import { createIdentity, type Identity } from '@askee/keys'
import type { Execution, Executor } from '@askee/sandbox'

/** The smallest module that is admitted: a memory of one page and an empty `run`. */
export const EMPTY_MODULE = new Uint8Array(
  Buffer.from(
    '0061736d0100000001040160000003020100050401010101071002066d656d6f7279020003' + '72756e00000a040102000b',
    'hex',
  ),
)

/** An executor for empty tasks: no process, no work. What is left is what coordination costs. */
export function createNullExecutor(): Executor {
  const completed: Execution['outcome'] = Promise.resolve({
    kind: 'completed',
    result: { output: new Uint8Array(), trap: null, fuel: 1n as Fuel },
  })
  const execution: Execution = {
    outcome: completed,
    freeze: async () => {},
    thaw: async () => {},
    kill: async () => {},
    checkpoint: async () => {},
    usage: async () => ({ cpuTime: 0, wallTime: 0, frozenTime: 0, peakMemoryBytes: 0 }),
  }
  return {
    start: async () => {},
    stop: async () => {},
    describe: () => ({ name: 'null', engine: 'v8', engineVersion: '0', tier: 'process', layers: [] }),
    execute: async () => execution,
  }
}

const FAR = Number.MAX_SAFE_INTEGER
/** A consent that allows all: its cryptography is paid once an offer, not once a task, so it is left out here. */
const CONSENT_ID = '0'.repeat(32)
const PERMISSIONS: ConsentPermissions = {
  resources: { cpuPercentMax: 100, ramMbMax: 1024, storageGbMax: 1, bandwidthMbpsMax: 1000 },
  tasks: { kinds: ['scientific-compute'], minReputation: 0, maxDurationHours: 48 },
  monitoring: { userActivityYield: true, resourceMonitoring: true, auditLogging: true },
}
const openGate: ConsentGate = {
  covering: () => ({ claims: claimsOf('', ''), token: 'x.y.z' }),
  check: () => PERMISSIONS,
  limitsOf: () => ({
    consent: CONSENT_ID,
    requester: '' as Identity['id'],
    tokens: [CONSENT_ID],
    storageBytes: 1e9,
    bytesPerSecond: 125e6,
  }),
}
const openVerifier: TokenVerifier = async (_token, { subject, audience }) => claimsOf(subject, audience)

function claimsOf(subject: string, audience: string): Awaited<ReturnType<TokenVerifier>> {
  return {
    id: CONSENT_ID,
    issuer: subject as Identity['id'],
    subject: subject as Identity['id'],
    audience: audience as Identity['id'],
    issuedAt: 0,
    notBefore: 0,
    expires: FAR,
    permissions: PERMISSIONS,
    purposes: ['bench'],
    data: ['task'],
    textDigest: '0'.repeat(64),
    manifest: '0'.repeat(64),
    renewOf: null,
    maxRenewals: 0,
    holder: subject as Identity['id'],
    epoch: 0,
    status: { list: 'bench', index: 0 },
    revocation: '0'.repeat(64),
    parents: [],
    ancestors: [],
    grantor: subject as Identity['id'],
  }
}

export interface MeshFactory {
  /** A started mesh, connected to those made before. */
  create(identity: Identity, topics: ReadonlyMap<TopicName, TopicRules>, blocks: BlockStore): Promise<Mesh>
}

export interface CoordinationResult {
  readonly tasks: number
  readonly seconds: number
  /** Verified results a second, three replicas each. */
  readonly tasksPerSecond: number
}

/**
 * M-1: submits `tasks` empty tasks with f = 1 to three workers and takes the time from submission to the last
 * decision. Journal on disk with full synchronisation, every commitment and receipt signed and verified.
 */
export async function measureCoordination(factory: MeshFactory, tasks: number): Promise<CoordinationResult> {
  const directory = await mkdtemp(join(tmpdir(), 'askee-bench-'))
  const topics = computeTopics(systemClock)
  const common = { clock: systemClock, timers: systemTimers, random: systemRandom, logger: silentLogger }
  const stops: (() => Promise<void>)[] = []
  try {
    const identity = createIdentity(systemRandom)
    const blocks = createMemoryBlockStore()
    const mesh = await factory.create(identity, topics, blocks)
    stops.push(() => mesh.stop())
    const requester = createRequester(
      { ...common, mesh, identity, blocks, verifyToken: openVerifier },
      { journal: join(directory, 'journal.db') },
    )
    await requester.start()
    stops.push(() => requester.stop())
    for (let i = 0; i < 3; i++) stops.push(...(await startWorker(factory, topics)))
    const started = performance.now()
    const id = await requester.submit({
      purpose: 'bench',
      kind: 'scientific-compute',
      module: EMPTY_MODULE,
      inputs: Array.from({ length: tasks }, (_, i) => Uint8Array.of(i, i >> 8, i >> 16)),
      resources: { fuel: 100n as Fuel, memoryBytes: 65_536, outputBytes: 0, wallTime: 10_000 },
      f: 1,
      deadline: 600_000,
      minReputation: 0,
    })
    const report = await requester.wait(id)
    const seconds = (performance.now() - started) / 1000
    const accepted = report.tasks.filter(({ state }) => state === 'accepted').length
    if (accepted !== tasks) throw new Error(`expected ${tasks} accepted tasks, got ${accepted}`)
    return { tasks, seconds, tasksPerSecond: tasks / seconds }
  } finally {
    for (const stop of stops.reverse()) await stop()
    await rm(directory, { recursive: true })
  }
}

async function startWorker(
  factory: MeshFactory,
  topics: ReadonlyMap<TopicName, TopicRules>,
): Promise<(() => Promise<void>)[]> {
  const identity = createIdentity(systemRandom)
  const mesh = await factory.create(identity, topics, createMemoryBlockStore())
  const worker = createWorker(
    {
      mesh,
      identity,
      clock: systemClock,
      timers: systemTimers,
      random: systemRandom,
      logger: silentLogger,
      executor: createNullExecutor(),
      consents: openGate,
    },
    { slots: 4 },
  )
  await worker.start()
  return [() => mesh.stop(), () => worker.stop()]
}

/** Everything in this process, over the memory mesh. */
export function memoryMeshFactory(): MeshFactory {
  const network = createMemoryMeshNetwork()
  return {
    async create(identity, topics, blocks) {
      const mesh = network.node(identity.id, { topics, blocks })
      await mesh.start()
      return mesh
    },
  }
}

if (import.meta.main) {
  for (const tasks of [500, 5000]) {
    const { seconds, tasksPerSecond } = await measureCoordination(memoryMeshFactory(), tasks)
    console.log(`${tasks} tasks in ${seconds.toFixed(2)} s: ${tasksPerSecond.toFixed(0)} verified tasks/s`)
  }
}
