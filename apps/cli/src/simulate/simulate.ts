import type { CampaignView } from '@askee/client'
import { TASK_KINDS, textDigest } from '@askee/consent'
import { AskeeError, type Fuel } from '@askee/core'
import type { ExecutionLimits, ExecutorPolicy } from '@askee/sandbox'
import { carryOut, loadModule, WORKLOADS } from '@askee/workloads'
import { readModule, readNamedFile } from '../commands/files.ts'
import { count } from '../terminal/count.ts'
import { runRound, SIMULATION_PURPOSE } from './campaigns.ts'
import { assertTwoEngines } from './engines.ts'
import { Fleet, type FleetAgent } from './fleet.ts'
import { executorOfNode, faultsByNode, type SimulationOptions } from './options.ts'
import { Progress } from './progress.ts'
import { createReference, type Reference } from './reference.ts'
import { type JudgedTask, judge, type SimulationReport, type WorkloadRun } from './verdict.ts'

/** Limits of a module of the caller's own: a second or so of work, so that an endless one ends soon. */
const MODULE_LIMITS: ExecutionLimits = {
  fuel: 1_000_000_000n as Fuel,
  memoryBytes: 256 * 1_048_576,
  outputBytes: 1_048_576,
  wallTime: 60_000,
}
/** Wall time of a workload's task: far above what it takes, since the machine is shared by all nodes. */
const WORKLOAD_WALL_MS = 60_000
const MEET_TIMEOUT_MS = 240_000
const MEET_POLL_MS = 50

/** What is to be computed: a workload of ours, or one of the caller's modules. */
interface Job {
  readonly name: string
  readonly expected: string | null
  readonly reference: Reference
  /** Sends all rounds and returns the answer, or null where there is no question. */
  run(round: (inputs: readonly Uint8Array[]) => Promise<readonly Uint8Array[]>): Promise<string | null>
  readonly module: Uint8Array
  readonly limits: ExecutionLimits
  readonly kind: 'ml-training' | 'data-processing' | 'scientific-compute'
}

/**
 * Starts real agents in processes of their own, lets one of them ask and the others work, and sets every accepted result
 * beside a run of the same task here.
 * @throws AskeeError `wasm/*` for a refused module, `simulate/engines`, before anything is started; `simulate/start`
 */
export async function simulate(options: SimulationOptions, signal: AbortSignal): Promise<SimulationReport> {
  if (options.engines === 'diverse') await assertTwoEngines()
  const jobs = await prepareJobs(options)
  const progress = new Progress(jobs.map((job) => job.name))
  const fleet = await Fleet.create()
  const begun = performance.now()
  try {
    signal.throwIfAborted()
    const { requester, workers } = await startMesh(fleet, options, progress, signal)
    const executor = await executorOf(workers)
    progress.phase(`computing on ${count(options.nodes, 'node')}, ${options.faulty} of them faulty`)
    const events = followEvents(requester, progress, signal)
    const runs = await Promise.all(jobs.map((job) => runJob(job, requester, options, progress, signal)))
    void events
    const faultyNodes = new Set(workers.filter((w) => w.faults.length > 0).map((w) => w.node))
    const { nodes, faulty, f, seed, engines } = options
    const setting = { nodes, faulty, f, seed, executor, engines }
    return judge(setting, runs, faultyNodes, (performance.now() - begun) / 1000)
  } finally {
    progress.stop()
    await Promise.all([fleet.stop(), ...jobs.map((job) => job.reference.stop())])
  }
}

async function prepareJobs(options: SimulationOptions): Promise<Job[]> {
  const jobs: Job[] = []
  const { files = [], inputs = [] } = options.modules ?? {}
  for (const file of files) jobs.push(await moduleJob(file, inputs, options.executor))
  for (const name of options.workloads) {
    const workload = WORKLOADS.get(name)
    if (workload === undefined) throw new AskeeError('cli/usage', `no workload "${name}"`)
    const module = await loadModule(workload.moduleName)
    const limits: ExecutionLimits = {
      ...workload.resources,
      fuel: workload.resources.fuel as Fuel,
      wallTime: WORKLOAD_WALL_MS,
    }
    jobs.push({
      name,
      expected: workload.expected('default'),
      reference: await createReference(module, limits, options.executor),
      run: (round) => carryOut(workload.plan('default'), round),
      module,
      limits,
      kind: workload.kind,
    })
  }
  return jobs
}

async function moduleJob(
  file: string,
  inputFiles: readonly string[],
  executor: ExecutorPolicy,
): Promise<Job> {
  const module = await readModule(file)
  const inputs = await Promise.all(inputFiles.map(readNamedFile))
  return {
    name: file,
    expected: null,
    reference: await createReference(module, MODULE_LIMITS, executor),
    run: async (round) => {
      await round(inputs.length === 0 ? [new Uint8Array()] : inputs)
      return null
    },
    module,
    limits: MODULE_LIMITS,
    kind: 'scientific-compute',
  }
}

async function startMesh(
  fleet: Fleet,
  options: SimulationOptions,
  progress: Progress,
  signal: AbortSignal,
): Promise<{ requester: FleetAgent; workers: FleetAgent[] }> {
  progress.phase(`starting ${count(options.nodes + 1, 'agent')}`)
  const faults = faultsByNode(options)
  const { seed, executor } = options
  const requester = await fleet.launch({ name: 'requester', bootstrap: [], faults: [], seed, executor })
  const workers = await fleet.launchAll(
    Array.from({ length: options.nodes }, (_, i) => ({
      name: `worker-${i + 1}`,
      bootstrap: requester.addresses,
      faults: faults[i] ?? [],
      seed,
      executor: executorOfNode(options, i),
    })),
  )
  progress.phase('meeting and granting consent')
  await Promise.all(workers.map((worker) => grantTo(worker, requester.node)))
  await untilMet(requester, options.nodes, signal)
  return { requester, workers }
}

/** What the workers run tasks on: an executor's name, or `mixed`. */
export async function executorOf(workers: readonly FleetAgent[]): Promise<string> {
  const names = new Set<string>()
  for (const worker of workers) names.add((await worker.client.status()).executor.name)
  const [name = 'mixed'] = names
  return names.size === 1 ? name : 'mixed'
}

/** The volunteer of a simulated node agrees, within limits, as a person would with `askee consent grant`. */
export async function grantTo(worker: FleetAgent, requester: string): Promise<void> {
  const terms = {
    requester,
    purpose: SIMULATION_PURPOSE,
    kinds: [...TASK_KINDS],
    lifetimeMs: 3_600_000,
    cpuPercentMax: 100,
    ramMbMax: 512,
    storageGbMax: 1,
    bandwidthMbpsMax: 1000,
    maxDurationHours: 1,
    minReputation: 0,
  }
  const text = await worker.client.consentText(terms)
  await worker.client.grant({ ...terms, textDigest: textDigest(text) })
}

export async function untilMet(requester: FleetAgent, nodes: number, signal: AbortSignal): Promise<void> {
  const giveUp = performance.now() + MEET_TIMEOUT_MS
  for (;;) {
    signal.throwIfAborted()
    const { peers } = await requester.client.status()
    if (peers.length >= nodes) return
    if (performance.now() > giveUp) {
      throw new AskeeError('simulate/start', `only ${peers.length} of ${nodes} nodes met the requester`)
    }
    await new Promise((resolve) => setTimeout(resolve, MEET_POLL_MS))
  }
}

async function followEvents(requester: FleetAgent, progress: Progress, signal: AbortSignal): Promise<void> {
  try {
    for await (const event of requester.client.events(signal)) progress.event(event)
  } catch {
    // The stream ends with the requester; progress is news, not a result.
  }
}

async function runJob(
  job: Job,
  requester: FleetAgent,
  { f, engines }: SimulationOptions,
  progress: Progress,
  signal: AbortSignal,
): Promise<WorkloadRun> {
  const begun = performance.now()
  const tasks: JudgedTask[] = []
  const campaigns: CampaignView[] = []
  const round = async (inputs: readonly Uint8Array[]): Promise<readonly Uint8Array[]> => {
    signal.throwIfAborted()
    const plan = { kind: job.kind, module: job.module, limits: job.limits, f, engines }
    const result = await runRound(requester.client, job.reference, plan, inputs, (id) =>
      progress.campaign(id, job.name, inputs.length),
    )
    campaigns.push(result.campaign)
    tasks.push(...result.tasks)
    if (job.expected !== null && result.tasks.some((task) => !task.accepted)) throw new Undecided()
    return result.tasks.map((task) => task.result?.output ?? new Uint8Array())
  }
  const actual = await job.run(round).catch((error: unknown) => {
    // Undecided tasks and nonsense that was accepted leave no answer; the table shows it.
    if (error instanceof Undecided || (error instanceof AskeeError && error.code === 'workloads/bad-output'))
      return null
    throw error
  })
  progress.workloadDone(job.name, job.expected === null || actual === job.expected ? 'right' : 'wrong')
  return {
    name: job.name,
    tasks,
    campaigns,
    expected: job.expected,
    actual,
    seconds: (performance.now() - begun) / 1000,
  }
}

/** A round ended with tasks that nobody could decide. */
class Undecided extends Error {}
