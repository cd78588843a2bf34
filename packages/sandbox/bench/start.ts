import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemTimers } from '@askee/core'
import { createNativeExecutor, createPortableExecutor, type Executor, locateNative } from '../src/index.ts'
import { runTask } from '../src/testing/wat.ts'
import { BUBBLEWRAP } from './death.ts'
import { COMPONENTS, quantile, repeat, smallRequest, timed, withExecutor } from './sample.ts'

/** Milliseconds; `bareNode` is the reference of the same run. */
export interface StartTimes {
  /** A Node child that does nothing, start to exit, median. */
  readonly bareNode: number
  /** `bwrap --unshare-all --ro-bind / / true`, start to exit, median; null where bubblewrap is not installed. */
  readonly bubblewrap: number | null
  /** From `execute` to the result of an all but empty task in a new process, median. */
  readonly cold: number
  /** The same from a spare, median and 95th percentile: what M-5 asks. */
  readonly warm: number
  readonly warmP95: number
  /** The same of the native executor, with the module already compiled; null where it is not built. */
  readonly native: NativeStartTimes | null
}

export interface NativeStartTimes {
  /** With the module to be compiled each time. */
  readonly compiling: number
  /** The same with a module of `MANY` functions. */
  readonly compilingMuch: number
  readonly cold: number
  readonly warm: number
  readonly warmP95: number
}

/** Long enough for a spare to be ready again on a slow machine. */
const PAUSE = 200
const MANY = 1_000
/** Starts of it; the rough size is enough. */
const FEW = 5

/** Measures the start of a task, `rounds` times each way. */
export async function measureStart(rounds = 25): Promise<StartTimes> {
  const module = await runTask(
    '(i32.store (i32.const 0) (i32.const 7)) (call $output_write (i32.const 0) (i32.const 4))',
  )
  const bare = await repeat(rounds, () => timed(() => ended(process.execPath, ['-e', '0'])))
  const wrapped = existsSync(BUBBLEWRAP)
    ? await repeat(rounds, () =>
        timed(() => ended(BUBBLEWRAP, ['--unshare-all', '--ro-bind', '/', '/', '/bin/true'])),
      )
    : null
  const cold = await starts(createPortableExecutor(COMPONENTS, { spares: 0 }), module, rounds, 0)
  const warm = await starts(createPortableExecutor(COMPONENTS, { spares: 1 }), module, rounds, PAUSE)
  return {
    bareNode: quantile(bare, 0.5),
    bubblewrap: wrapped === null ? null : quantile(wrapped, 0.5),
    cold: quantile(cold, 0.5),
    warm: quantile(warm, 0.5),
    warmP95: quantile(warm, 0.95),
    native: await measureNative(module, rounds),
  }
}

async function measureNative(module: Uint8Array, rounds: number): Promise<NativeStartTimes | null> {
  const binaries = locateNative()
  if ('missing' in binaries) return null
  const directory = await mkdtemp(join(tmpdir(), 'askee-bench-'))
  const cache = { directory, key: new Uint8Array(32).fill(1) }
  try {
    const compiling = await starts(
      createNativeExecutor(COMPONENTS, { binaries, spares: 0 }),
      module,
      rounds,
      0,
    )
    const cold = await starts(
      createNativeExecutor(COMPONENTS, { binaries, cache, spares: 0 }),
      module,
      rounds,
      0,
    )
    const warm = await starts(
      createNativeExecutor(COMPONENTS, { binaries, cache, spares: 1 }),
      module,
      rounds,
      PAUSE,
    )
    const much = await starts(
      createNativeExecutor(COMPONENTS, { binaries, spares: 0 }),
      await largeTask(),
      FEW,
      0,
    )
    return {
      compiling: quantile(compiling, 0.5),
      compilingMuch: quantile(much, 0.5),
      cold: quantile(cold, 0.5),
      warm: quantile(warm, 0.5),
      warmP95: quantile(warm, 0.95),
    }
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

/** An all but empty task beside many functions that nobody calls. */
function largeTask(): Promise<Uint8Array> {
  const one = `(func (param i32 i32) (result i32) (local i32)
    (loop (local.set 2 (i32.add (local.get 2) (i32.mul (local.get 0) (i32.load (local.get 1)))))
      (br_if 0 (i32.lt_u (local.tee 0 (i32.add (local.get 0) (i32.const 3))) (i32.const 1000))))
    (i32.xor (local.get 2) (local.get 1)))`
  return runTask('(i32.store (i32.const 0) (i32.const 7))', one.repeat(MANY))
}

function starts(executor: Executor, module: Uint8Array, rounds: number, pause: number): Promise<number[]> {
  return withExecutor(executor, async () => {
    await runOnce(executor, module)
    return repeat(rounds, async () => {
      if (pause > 0) await systemTimers.sleep(pause)
      return timed(() => runOnce(executor, module))
    })
  })
}

async function runOnce(executor: Executor, module: Uint8Array): Promise<void> {
  const outcome = await (await executor.execute(smallRequest(module))).outcome
  if (outcome.kind !== 'completed') throw new Error(`expected a result, received ${JSON.stringify(outcome)}`)
}

function ended(file: string, args: readonly string[]): Promise<void> {
  return new Promise((resolve) => {
    spawn(file, args, { env: {}, cwd: '/', stdio: 'ignore' }).once('exit', () => resolve())
  })
}

if (import.meta.main) console.log(await measureStart())
