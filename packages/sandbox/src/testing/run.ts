import type { Fuel } from '@askee/core'
import type { ExecutionLimits, ExecutionOutcome, ExecutionRequest, Executor } from '../executor.ts'

export const LIMITS: ExecutionLimits = {
  fuel: 1_000_000_000_000n as Fuel,
  memoryBytes: 4 * 65_536,
  outputBytes: 2048,
  wallTime: 60_000,
}

export interface RequestChanges extends Partial<Omit<ExecutionRequest, 'module' | 'limits'>> {
  readonly limits?: Partial<ExecutionLimits>
}

/** A request for `module` with small limits and no input, changed by `changes`. */
export function requestOf(module: Uint8Array, changes: RequestChanges = {}): ExecutionRequest {
  return { input: new Uint8Array(0), ...changes, module, limits: { ...LIMITS, ...changes.limits } }
}

export async function outcomeOf(
  executor: Executor,
  module: Uint8Array,
  changes: RequestChanges = {},
): Promise<ExecutionOutcome> {
  const execution = await executor.execute(requestOf(module, changes))
  return execution.outcome
}

/** What a vote would see, as plain text: output in hexadecimal, trap, fuel; or the kind and code of what else happened. */
export function told(outcome: ExecutionOutcome): string {
  if (outcome.kind === 'completed') {
    const { output, trap, fuel } = outcome.result
    return `${Buffer.from(output).toString('hex')} ${trap} ${fuel}`
  }
  return outcome.kind === 'fault' ? outcome.code : outcome.kind
}
