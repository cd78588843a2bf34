import { type Fuel, type Logger, systemClock, systemTimers } from '@askee/core'
import type { ExecutionRequest, Executor } from '../src/index.ts'

const silent: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silent,
}

export const COMPONENTS = { timers: systemTimers, clock: systemClock, logger: silent }

/** A request with no input and little memory. */
export function smallRequest(module: Uint8Array): ExecutionRequest {
  const limits = { fuel: (10n ** 15n) as Fuel, memoryBytes: 4 * 65_536, outputBytes: 64, wallTime: 60_000 }
  return { module, input: new Uint8Array(0), limits }
}

export async function withExecutor<T>(
  executor: Executor,
  use: (executor: Executor) => Promise<T>,
): Promise<T> {
  await executor.start()
  try {
    return await use(executor)
  } finally {
    await executor.stop()
  }
}

/** Milliseconds that `action` took. */
export async function timed(action: () => Promise<unknown>): Promise<number> {
  const start = performance.now()
  await action()
  return performance.now() - start
}

export async function repeat(rounds: number, measure: () => Promise<number>): Promise<number[]> {
  const values: number[] = []
  for (let round = 0; round < rounds; round++) values.push(await measure())
  return values
}

export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}
