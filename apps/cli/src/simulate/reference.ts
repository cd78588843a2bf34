import { AskeeError, silentLogger, systemClock, systemTimers } from '@askee/core'
import { chooseExecutor, type ExecutionLimits, type ExecutorPolicy, type TaskResult } from '@askee/sandbox'
import { instrument } from '@askee/wasm'

/** Runs tasks here, alone, through the same executor: what an undisturbed machine answers. */
export interface Reference {
  run(inputs: readonly Uint8Array[]): Promise<readonly TaskResult[]>
  stop(): Promise<void>
}

/** @throws AskeeError `wasm/*` when the module is refused */
export async function createReference(
  module: Uint8Array,
  limits: ExecutionLimits,
  policy: ExecutorPolicy,
): Promise<Reference> {
  const { bytes } = instrument(module, { abi: 'askee', maxMemoryBytes: limits.memoryBytes })
  const executor = chooseExecutor(
    { clock: systemClock, timers: systemTimers, logger: silentLogger },
    { policy },
  )
  await executor.start()
  return {
    async run(inputs) {
      const results: TaskResult[] = []
      for (const input of inputs) {
        const outcome = await (await executor.execute({ module: bytes, input, limits })).outcome
        if (outcome.kind !== 'completed') {
          throw new AskeeError('simulate/reference', `the reference run failed: ${JSON.stringify(outcome)}`)
        }
        results.push(outcome.result)
      }
      return results
    },
    stop: () => executor.stop(),
  }
}
