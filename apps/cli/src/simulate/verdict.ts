import type { CampaignView } from '@askee/client'
import type { EngineName, EnginePolicy } from '@askee/compute'
import type { TaskResult } from '@askee/sandbox'

/** One decided or undecided task of a workload, beside the result that an undisturbed machine gives. */
export interface JudgedTask {
  readonly accepted: boolean
  readonly result: TaskResult | null
  readonly reference: TaskResult
  readonly replicas: number
  /** Votes for the accepted result by engine. */
  readonly engines: VotesByEngine
}

/** As the nodes say of themselves. */
export type VotesByEngine = Readonly<Partial<Record<EngineName, number>>>

export interface WorkloadRun {
  readonly name: string
  readonly tasks: readonly JudgedTask[]
  /** Null for a module of the caller's own. */
  readonly expected: string | null
  readonly actual: string | null
  readonly campaigns: readonly CampaignView[]
  readonly seconds: number
}

export interface WorkloadVerdict {
  readonly name: string
  readonly tasks: number
  readonly accepted: number
  readonly wrongAccepted: number
  readonly undecided: number
  readonly expected: string | null
  readonly actual: string | null
  /** Agreed fuel over all accepted tasks, decimal. */
  readonly fuel: string
  readonly replicasPerTask: number
  /** Votes for the accepted results by engine. */
  readonly engines: Readonly<Record<EngineName, number>>
  /** Accepted results that one engine alone stands for. */
  readonly singleEngine: number
  readonly seconds: number
  readonly results?: readonly ({ output: string; trap: string | null; fuel: string } | null)[]
}

export interface SimulationReport {
  readonly nodes: number
  readonly faulty: number
  readonly f: number
  readonly seed: number
  /** `native`, `portable`, or `mixed` when the workers differ. */
  readonly executor: string
  readonly engines: EnginePolicy
  readonly workloads: readonly WorkloadVerdict[]
  readonly replicasPerTask: number
  readonly accused: readonly string[]
  readonly honestAccused: number
  readonly credit: Readonly<Record<string, string>>
  readonly tasksPerSecond: number
  readonly wallSeconds: number
}

export function sameResult(a: TaskResult, b: TaskResult): boolean {
  return a.trap === b.trap && a.fuel === b.fuel && Buffer.compare(a.output, b.output) === 0
}

export function judgeWorkload(run: WorkloadRun): WorkloadVerdict {
  const accepted = run.tasks.filter((task) => task.accepted)
  const wrong = accepted.filter((task) => task.result === null || !sameResult(task.result, task.reference))
  return {
    name: run.name,
    tasks: run.tasks.length,
    accepted: accepted.length,
    wrongAccepted: wrong.length,
    undecided: run.tasks.length - accepted.length,
    expected: run.expected,
    actual: run.actual,
    fuel: accepted.reduce((sum, task) => sum + (task.result?.fuel ?? 0n), 0n).toString(),
    replicasPerTask: perTask(run.tasks),
    engines: votesByEngine(accepted),
    singleEngine: accepted.filter(({ engines }) => Object.keys(engines).length < 2).length,
    seconds: round(run.seconds),
    ...(run.expected === null ? { results: run.tasks.map(resultText) } : {}),
  }
}

export function judge(
  setting: {
    nodes: number
    faulty: number
    f: number
    seed: number
    executor: string
    engines: EnginePolicy
  },
  runs: readonly WorkloadRun[],
  faultyNodes: ReadonlySet<string>,
  wallSeconds: number,
): SimulationReport {
  const tasks = runs.flatMap((run) => run.tasks)
  const campaigns = runs.flatMap((run) => run.campaigns)
  const accused = [...new Set(campaigns.flatMap((campaign) => campaign.accused.map((a) => a.node)))].sort()
  const credit = new Map<string, bigint>()
  for (const campaign of campaigns) {
    for (const [node, fuel] of Object.entries(campaign.credit))
      credit.set(node, (credit.get(node) ?? 0n) + BigInt(fuel))
  }
  return {
    ...setting,
    workloads: runs.map(judgeWorkload),
    replicasPerTask: perTask(tasks),
    accused,
    honestAccused: accused.filter((node) => !faultyNodes.has(node)).length,
    credit: Object.fromEntries([...credit].sort().map(([node, fuel]) => [node, fuel.toString()])),
    tasksPerSecond: round(tasks.filter((t) => t.accepted).length / wallSeconds),
    wallSeconds: round(wallSeconds),
  }
}

/** Whether everything was decided, and rightly, by as many engines as asked for, and nobody honest was accused. */
export function isSound(report: SimulationReport): boolean {
  return (
    report.honestAccused === 0 &&
    (report.engines === 'any' || report.workloads.every((w) => w.singleEngine === 0)) &&
    report.workloads.every((w) => w.wrongAccepted === 0 && w.undecided === 0 && w.actual === w.expected)
  )
}

function votesByEngine(tasks: readonly JudgedTask[]): Record<EngineName, number> {
  const votes = { wasmtime: 0, v8: 0 }
  for (const { engines } of tasks) {
    votes.wasmtime += engines.wasmtime ?? 0
    votes.v8 += engines.v8 ?? 0
  }
  return votes
}

function perTask(tasks: readonly JudgedTask[]): number {
  return tasks.length === 0 ? 0 : round(tasks.reduce((sum, task) => sum + task.replicas, 0) / tasks.length)
}

function resultText(task: JudgedTask): { output: string; trap: string | null; fuel: string } | null {
  if (task.result === null) return null
  const { output, trap, fuel } = task.result
  return { output: Buffer.from(output).toString('hex'), trap, fuel: fuel.toString() }
}

function round(value: number): number {
  return Number(value.toFixed(2))
}
