import { spawn } from 'node:child_process'
import { type Fuel, type Logger, systemClock, systemTimers } from '@askee/core'
import { createPortableExecutor, type Executor } from '../src/index.ts'
import { runTask } from '../src/testing/wat.ts'

/** Milliseconds; `bareNode` is the reference of the same run. */
export interface StartTimes {
  /** A Node child that does nothing, start to exit, median. */
  readonly bareNode: number
  /** From `execute` to the result of an all but empty task in a new process, median. */
  readonly cold: number
  /** The same from a spare, median and 95th percentile: what M-5 asks. */
  readonly warm: number
  readonly warmP95: number
}

const silent: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silent,
}
/** Long enough for a spare to be ready again on a slow machine. */
const PAUSE = 200

/** Measures the start of a task, `rounds` times each way. */
export async function measureStart(rounds = 25): Promise<StartTimes> {
  const module = await runTask(
    '(i32.store (i32.const 0) (i32.const 7)) (call $output_write (i32.const 0) (i32.const 4))',
  )
  const bare = await repeat(rounds, () => timed(bareNode))
  const cold = await withExecutor(0, (executor) =>
    repeat(rounds, () => timed(() => runOnce(executor, module))),
  )
  const warm = await withExecutor(1, async (executor) => {
    await runOnce(executor, module)
    return repeat(rounds, async () => {
      await systemTimers.sleep(PAUSE)
      return timed(() => runOnce(executor, module))
    })
  })
  return {
    bareNode: quantile(bare, 0.5),
    cold: quantile(cold, 0.5),
    warm: quantile(warm, 0.5),
    warmP95: quantile(warm, 0.95),
  }
}

async function withExecutor<T>(spares: number, use: (executor: Executor) => Promise<T>): Promise<T> {
  const components = { timers: systemTimers, clock: systemClock, logger: silent }
  const executor = createPortableExecutor(components, { spares })
  await executor.start()
  try {
    return await use(executor)
  } finally {
    await executor.stop()
  }
}

async function runOnce(executor: Executor, module: Uint8Array): Promise<void> {
  const limits = { fuel: 1_000_000n as Fuel, memoryBytes: 4 * 65_536, outputBytes: 64, wallTime: 10_000 }
  const execution = await executor.execute({ module, input: new Uint8Array(0), limits })
  const outcome = await execution.outcome
  if (outcome.kind !== 'completed') throw new Error(`expected a result, received ${outcome.kind}`)
}

function bareNode(): Promise<void> {
  return new Promise((resolve) => {
    spawn(process.execPath, ['-e', '0'], { env: {}, cwd: '/', stdio: 'ignore' }).once('exit', () => resolve())
  })
}

async function timed(action: () => Promise<void>): Promise<number> {
  const start = performance.now()
  await action()
  return performance.now() - start
}

async function repeat(rounds: number, measure: () => Promise<number>): Promise<number[]> {
  const values: number[] = []
  for (let round = 0; round < rounds; round++) values.push(await measure())
  return values
}

function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}

if (import.meta.main) console.log(await measureStart())
