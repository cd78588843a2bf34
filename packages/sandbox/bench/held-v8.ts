/**
 * What holding V8 costs: start of a task in a new process and from a spare, and a task that computes, under the warden and in
 * a bare Node child, in turns. Processor time too, which other programs on the machine change little.
 * `node packages/sandbox/bench/held-v8.ts [--rounds 25] [--hurry]`: with `--hurry` what is held is taken out of the idle class, some
 * 30 ms after its start, for a machine that is busy with other things.
 */
import { spawn } from 'node:child_process'
import { parseArgs } from 'node:util'
import { systemTimers } from '@askee/core'
import { createHeldV8Executor, createPortableExecutor, type Executor, locateNative } from '../src/index.ts'
import { countedTask, runTask } from '../src/testing/wat.ts'
import { hurryHeld } from '../test/support/hurry.ts'
import { COMPONENTS, quantile, smallRequest, timed } from './sample.ts'

interface Spans {
  readonly wall: number[]
  readonly processor: number[]
}

/** Milliseconds, median and 95th percentile. */
export interface HeldV8Row {
  readonly what: string
  readonly wall: number
  readonly wallP95: number
  /** NaN for what nobody counts. */
  readonly processor: number
}

/** Long enough for a spare to be ready again. */
const PAUSE = 400
/** Some tenths of a second of work. */
const LOOP = `(local i32 i32) (loop $again
  (local.set 1 (i32.add (i32.mul (local.get 1) (i32.const 1664525)) (local.get 0)))
  (i32.store (i32.const 0) (local.get 1))
  (br_if $again (i32.lt_u (local.tee 0 (i32.add (local.get 0) (i32.const 1))) (i32.const 150000000))))`

/** Measures each way `rounds` times, one after the other in every round. */
export async function measureHeldV8(rounds = 25): Promise<readonly HeldV8Row[]> {
  const binaries = locateNative()
  if ('missing' in binaries) throw new Error(binaries.missing)
  const { warden } = binaries
  const empty = await runTask('(call $output_write (i32.const 0) (i32.const 4))')
  const busy = await countedTask(LOOP)
  const bare = createPortableExecutor(COMPONENTS, { spares: 0 })
  const held = createHeldV8Executor(COMPONENTS, { warden, spares: 0, startTimeout: 60_000 })
  const bareWarm = createPortableExecutor(COMPONENTS, { spares: 1 })
  const heldWarm = createHeldV8Executor(COMPONENTS, { warden, spares: 1, startTimeout: 60_000 })
  const executors = [bare, held, bareWarm, heldWarm]
  await Promise.all(executors.map((executor) => executor.start()))
  const ways: readonly (readonly [string, (spans: Spans) => Promise<void>])[] = [
    ['Node child that does nothing', async ({ wall }) => void wall.push(await timed(nothing))],
    // Their processor time is that of the task alone: a bare process was there before it was counted.
    ['new process, bare', runs(bare, empty)],
    ['new process, held', runs(held, empty)],
    ['spare, bare', runs(bareWarm, empty)],
    ['spare, held', runs(heldWarm, empty)],
    ['150 million turns of a loop, bare', runs(bare, busy)],
    ['150 million turns of a loop, held', runs(held, busy)],
  ]
  const spans = ways.map((): Spans => ({ wall: [], processor: [] }))
  try {
    for (const executor of [bareWarm, heldWarm]) await runs(executor, empty)({ wall: [], processor: [] })
    for (let round = 0; round < rounds; round++) {
      await systemTimers.sleep(PAUSE)
      for (const [index, [, measure]] of ways.entries()) await measure(spans[index]!)
    }
  } finally {
    await Promise.all(executors.map((executor) => executor.stop()))
  }
  return ways.map(([what], index) => ({
    what,
    wall: quantile(spans[index]!.wall, 0.5),
    wallP95: quantile(spans[index]!.wall, 0.95),
    processor: quantile(spans[index]!.processor, 0.5),
  }))
}

function runs(executor: Executor, module: Uint8Array): (spans: Spans) => Promise<void> {
  return async ({ wall, processor }) => {
    const start = performance.now()
    const execution = await executor.execute(smallRequest(module))
    const outcome = await execution.outcome
    wall.push(performance.now() - start)
    if (outcome.kind !== 'completed')
      throw new Error(`expected a result, received ${JSON.stringify(outcome)}`)
    processor.push((await execution.usage()).cpuTime)
  }
}

function nothing(): Promise<void> {
  return new Promise((resolve) => {
    spawn(process.execPath, ['-e', '0'], { env: {}, cwd: '/', stdio: 'ignore' }).once('exit', () => resolve())
  })
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: { rounds: { type: 'string', default: '25' }, hurry: { type: 'boolean', default: false } },
  })
  const calm = values.hurry ? hurryHeld() : undefined
  for (const { what, wall, wallP95, processor } of await measureHeldV8(Number(values.rounds))) {
    const counted = Number.isNaN(processor) ? '' : `, ${processor.toFixed(0)} ms of processor`
    console.log(`${what}: ${wall.toFixed(1)} ms (p95 ${wallP95.toFixed(1)})${counted}`)
  }
  calm?.()
}
