import type { CampaignView, ControlClient } from '@askee/client'
import type { EnginePolicy } from '@askee/compute'
import type { TaskKind } from '@askee/consent'
import type { Fuel } from '@askee/core'
import type { ExecutionLimits, TaskResult } from '@askee/sandbox'
import { isTrapCode } from '@askee/wasm'
import type { Reference } from './reference.ts'
import type { JudgedTask } from './verdict.ts'

/** Later than any run of the simulation should last: what is not decided by then is shown as undecided. */
const DEADLINE_MS = 240_000

/** What the volunteers of the simulation agree to, and so what every campaign in it says. */
export const SIMULATION_PURPOSE = 'local simulation of Askee'

export interface RoundPlan {
  readonly kind: TaskKind
  readonly module: Uint8Array
  readonly limits: ExecutionLimits
  readonly f: number
  readonly engines: EnginePolicy
}

/** Sends one campaign, runs the same inputs here, and sets the two side by side. */
export async function runRound(
  client: ControlClient,
  reference: Reference,
  plan: RoundPlan,
  inputs: readonly Uint8Array[],
  onSubmitted: (id: string) => void,
): Promise<{ campaign: CampaignView; tasks: JudgedTask[] }> {
  const module = await client.putBlock(plan.module)
  const digests: string[] = []
  for (const input of inputs) digests.push(await client.putBlock(input))
  const { id } = await client.submit({
    purpose: SIMULATION_PURPOSE,
    kind: plan.kind,
    module,
    inputs: digests,
    resources: {
      fuel: plan.limits.fuel.toString(),
      memoryBytes: plan.limits.memoryBytes,
      outputBytes: plan.limits.outputBytes,
      wallTimeMs: plan.limits.wallTime,
    },
    f: plan.f,
    engines: plan.engines,
    deadlineMs: DEADLINE_MS,
    minReputation: 0,
  })
  onSubmitted(id)
  const [campaign, references] = await Promise.all([client.wait(id), reference.run(inputs)])
  const tasks = campaign.tasks.map((task, i): JudgedTask => {
    const expected = references[i]
    if (expected === undefined) throw new RangeError(`the campaign has a task ${i} that was not asked for`)
    return {
      accepted: task.state === 'accepted',
      result: task.result === null ? null : taskResult(task.result),
      reference: expected,
      replicas: task.replicas,
      engines: task.engines,
    }
  })
  return { campaign, tasks }
}

function taskResult(result: { output: string; trap: string | null; fuel: string }): TaskResult {
  return {
    output: new Uint8Array(Buffer.from(result.output, 'base64')),
    trap: isTrapCode(result.trap) ? result.trap : null,
    fuel: BigInt(result.fuel) as Fuel,
  }
}
