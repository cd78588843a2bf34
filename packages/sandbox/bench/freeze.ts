import { spawn } from 'node:child_process'
import { createNativeExecutor, createPortableExecutor, type Executor, locateNative } from '../src/index.ts'
import { countdown, runTask } from '../src/testing/index.ts'
import { isStopped, leavesBelow, processorTime } from './processes.ts'
import { COMPONENTS, quantile, repeat, smallRequest, timed, withExecutor } from './sample.ts'

/** Milliseconds. */
export interface Quantiles {
  readonly median: number
  readonly p99: number
}

export interface FreezeTimes {
  /** From the call until the last of `TASKS` computing tasks says that nothing of it runs any more. */
  readonly portable: Quantiles
  /** Null where the native executor is not built. */
  readonly native: Quantiles | null
  /** The same number of computing Node children, from SIGSTOP until the kernel calls the last one stopped. */
  readonly bareNode: Quantiles
  /** From asking a task whose steps take a tenth of a second to end after its step, until it has. */
  readonly cooperative: Quantiles
}

const TASKS = 4
const SPIN = '(loop $again (br $again))'
const WARM_UP = 500
/** Nanoseconds: what a process did before it stopped is counted when the processor leaves it. */
const STILL = 500_000n
/** Turns of a loop that take about a tenth of a second. */
const STEP_TURNS = 60_000_000
const COOPERATIVE_SAMPLES = 12
const sleep = (span: number) => new Promise((resolve) => setTimeout(resolve, span))

/**
 * How fast all computing tasks of a machine are frozen. After every freeze it looks that their processor time stands still.
 * @throws Error when something frozen has gone on
 */
export async function measureFreeze(samples = 200): Promise<FreezeTimes> {
  const binaries = locateNative()
  return {
    bareNode: await stopBareNode(samples),
    portable: await freezeAll(createPortableExecutor(COMPONENTS, { spares: 0 }), samples),
    native:
      'missing' in binaries
        ? null
        : await freezeAll(createNativeExecutor(COMPONENTS, { binaries, spares: 0 }), samples),
    cooperative: await cooperate(createPortableExecutor(COMPONENTS, { niceness: 0 })),
  }
}

async function freezeAll(executor: Executor, samples: number): Promise<Quantiles> {
  const module = await runTask(SPIN)
  return withExecutor(executor, async () => {
    const executions = await Promise.all(
      Array.from({ length: TASKS }, () => executor.execute(smallRequest(module))),
    )
    await sleep(WARM_UP)
    const spans = await repeat(samples, async () => {
      const span = await timed(() => Promise.all(executions.map((one) => one.freeze())))
      await expectStill(leavesBelow(process.pid))
      await Promise.all(executions.map((one) => one.thaw()))
      await sleep(10)
      return span
    })
    await Promise.all(executions.map((one) => one.kill('measured')))
    return quantiles(spans)
  })
}

async function expectStill(pids: readonly number[]): Promise<void> {
  const before = pids.map(processorTime)
  await sleep(5)
  pids.forEach((pid, index) => {
    const worked = (processorTime(pid) ?? 0n) - (before[index] ?? 0n)
    if (worked > STILL) throw new Error(`expected a frozen process to stand still, it worked ${worked} ns`)
  })
}

async function stopBareNode(samples: number): Promise<Quantiles> {
  const children = Array.from({ length: TASKS }, () =>
    spawn(process.execPath, ['-e', 'for (;;);'], { env: {}, stdio: 'ignore' }),
  )
  try {
    await sleep(WARM_UP)
    const spans = await repeat(samples, async () => {
      const span = await timed(async () => {
        for (const child of children) child.kill('SIGSTOP')
        while (!children.every((child) => isStopped(child.pid ?? 0))) await new Promise(setImmediate)
      })
      for (const child of children) child.kill('SIGCONT')
      await sleep(10)
      return span
    })
    return quantiles(spans)
  } finally {
    for (const child of children) child.kill('SIGKILL')
  }
}

async function cooperate(executor: Executor): Promise<Quantiles> {
  const module = await countdown(STEP_TURNS)
  return withExecutor(executor, async () => {
    const spans = await repeat(COOPERATIVE_SAMPLES, async () => {
      const request = { ...smallRequest(module), input: Uint8Array.of(200) }
      const execution = await executor.execute({
        ...request,
        limits: { ...request.limits, outputBytes: 4096 },
      })
      await sleep(100)
      return timed(async () => {
        await execution.checkpoint()
        await execution.outcome
      })
    })
    return quantiles(spans)
  })
}

function quantiles(spans: readonly number[]): Quantiles {
  return { median: quantile(spans, 0.5), p99: quantile(spans, 0.99) }
}

if (import.meta.main) console.dir(await measureFreeze(), { depth: 4 })
