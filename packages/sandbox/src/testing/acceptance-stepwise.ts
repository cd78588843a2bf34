import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { Checkpoint, ExecutionOutcome, Executor } from '../executor.ts'
import { outcomeOf, requestOf, told } from './run.ts'
import { runTask, task } from './wat.ts'

/**
 * Counts down from its first input byte: each step mixes the counter into memory and private globals of every type (one holds
 * a NaN with a payload), writes output, and the first grows the memory. Its start function counts how often it ran.
 * `pause` turns of a loop in each step give a request for a checkpoint time to arrive.
 */
export function countdown(pause: number): Promise<Uint8Array> {
  return task({
    body: `
      (global $started (mut i32) (i32.const 0))
      (global $starts (mut i32) (i32.const 0))
      (global $left (mut i64) (i64.const 0))
      (global $odd (mut f32) (f32.const nan:0x200001))
      (global $root (mut f64) (f64.const 1e-300))
      (start $init)
      (func $init (global.set $starts (i32.add (global.get $starts) (i32.const 1))))
      (func (export "step") (result i32) (local i32)
        (if (i32.eqz (global.get $started)) (then
          (drop (call $input_read (i32.const 0) (i32.const 0) (i32.const 1)))
          (global.set $left (i64.load8_u (i32.const 0)))
          (global.set $odd (f32.reinterpret_i32 (i32.const 0x7fa54321)))
          (drop (memory.grow (i32.const 1)))
          (global.set $started (i32.const 1))))
        (global.set $root (f64.sqrt (f64.add (global.get $root) (f64.convert_i64_u (global.get $left)))))
        (f64.store (i32.const 70000) (global.get $root))
        (i32.store (i32.const 70008) (i32.add (i32.reinterpret_f32 (global.get $odd)) (global.get $starts)))
        (i32.store (i32.const 66500) (i32.add (i32.load (i32.const 66500)) (i32.wrap_i64 (global.get $left))))
        (i32.store (i32.const 70000) (i32.xor (i32.load (i32.const 70004)) (i32.load (i32.const 66500))))
        (call $output_write (i32.const 70000) (i32.const 12))
        (loop $wait (br_if $wait (i32.lt_u (local.tee 0 (i32.add (local.get 0) (i32.const 1))) (i32.const ${pause}))))
        (global.set $left (i64.sub (global.get $left) (i64.const 1)))
        (i64.gt_s (global.get $left) (i64.const 0)))`,
  })
}

/** Runs with an interruption after `delay` ms, over and over, until the task is done. */
async function runInPieces(
  executor: Executor,
  module: Uint8Array,
  input: Uint8Array,
  delays: readonly number[],
) {
  const seen: Checkpoint[] = []
  let resumeFrom: Checkpoint | undefined
  for (const delay of [...delays, null]) {
    const changes = resumeFrom === undefined ? { input } : { input, resumeFrom }
    const execution = await executor.execute(requestOf(module, changes))
    if (delay !== null) {
      await new Promise((resolve) => setTimeout(resolve, delay))
      await execution.checkpoint()
    }
    const outcome: ExecutionOutcome = await execution.outcome
    if (outcome.kind !== 'checkpointed') return { outcome, seen }
    resumeFrom = outcome.checkpoint
    seen.push(resumeFrom)
  }
  throw new Error('unreachable: the last piece is never interrupted')
}

/** A checkpoint of `module` in mid work. On a busy machine a task can end before the request for one arrives. */
async function interrupted(executor: Executor, module: Uint8Array, input: Uint8Array): Promise<Checkpoint> {
  for (let attempt = 0; attempt < 10; attempt++) {
    const { seen } = await runInPieces(executor, module, input, [0])
    if (seen[0] !== undefined) return seen[0]
  }
  throw new Error('expected a checkpoint in ten attempts')
}

/** Turns of a loop a step: so much that a busy machine still gets its request in before the last of a hundred steps. */
const PAUSE = 3_000_000
/** Tasks of the lowest priority on a busy machine need their time, ms. */
const PATIENCE = 240_000
const INPUT = Uint8Array.of(100)

/** Checkpoints of tasks with `step`. */
export function describeStepwise(executor: Executor): void {
  it('WSM-5 calls step until it returns 0', async () => {
    const outcome = await outcomeOf(executor, await countdown(1), { input: Uint8Array.of(3) })
    expect(outcome).toMatchObject({ kind: 'completed', result: { trap: null } })
    expect(outcome.kind === 'completed' && outcome.result.output.byteLength).toBe(3 * 12)
  })

  it(
    'WSM-5 a task interrupted anywhere ends with the same result',
    async () => {
      const module = await countdown(PAUSE)
      const whole = told(await outcomeOf(executor, module, { input: INPUT }))
      let interruptions = 0
      const delays = fc.array(fc.integer({ min: 0, max: 60 }), { minLength: 1, maxLength: 4 })
      await fc.assert(
        fc.asyncProperty(delays, async (pieces) => {
          const { outcome, seen } = await runInPieces(executor, module, INPUT, pieces)
          interruptions += seen.length
          expect(told(outcome)).toBe(whole)
        }),
        { numRuns: 5 },
      )
      expect(interruptions).toBeGreaterThan(0)
    },
    PATIENCE,
  )

  it(
    'WSM-5 a trap after a resume is the trap of the whole run',
    async () => {
      const module = await countdown(PAUSE)
      const limits = { outputBytes: 12 * 99 }
      const checkpoint = await interrupted(executor, module, INPUT)
      const resumed = await outcomeOf(executor, module, { input: INPUT, limits, resumeFrom: checkpoint })
      const whole = await outcomeOf(executor, await countdown(PAUSE), { input: INPUT, limits })
      expect(whole).toMatchObject({ result: { trap: 'output-too-large' } })
      expect(told(resumed)).toBe(told(whole))
    },
    PATIENCE,
  )

  it('WSM-5 refuses a checkpoint that is damaged, anywhere', async () => {
    const module = await countdown(PAUSE)
    const checkpoint = await interrupted(executor, module, INPUT)
    await fc.assert(
      fc.asyncProperty(
        fc.nat(checkpoint.byteLength - 1),
        fc.integer({ min: 1, max: 255 }),
        async (at, change) => {
          const damaged = checkpoint.slice()
          damaged[at]! ^= change
          const outcome = await outcomeOf(executor, module, { input: INPUT, resumeFrom: damaged })
          expect(told(outcome)).toBe('fault/bad-checkpoint')
        },
      ),
      { numRuns: 20 },
    )
    for (const part of [new Uint8Array(0), checkpoint.subarray(0, 100), checkpoint.subarray(1)]) {
      const outcome = await outcomeOf(executor, module, { input: INPUT, resumeFrom: part })
      expect(told(outcome)).toBe('fault/bad-checkpoint')
    }
  })

  it('WSM-5 refuses a checkpoint of another module, another input or over its limits', async () => {
    const module = await countdown(PAUSE)
    const checkpoint = await interrupted(executor, module, INPUT)
    const outcomes = await Promise.all([
      outcomeOf(executor, await countdown(PAUSE + 1), { input: INPUT, resumeFrom: checkpoint }),
      outcomeOf(executor, module, { input: Uint8Array.of(101), resumeFrom: checkpoint }),
      outcomeOf(executor, module, { input: INPUT, resumeFrom: checkpoint, limits: { fuel: 1n as never } }),
      outcomeOf(executor, module, { input: INPUT, resumeFrom: checkpoint, limits: { outputBytes: 1 } }),
      outcomeOf(executor, await runTask(''), { input: INPUT, resumeFrom: checkpoint }),
    ])
    expect(outcomes.map(told)).toEqual(Array(5).fill('fault/bad-checkpoint'))
  })

  it('WSM-5 cannot checkpoint a module with run', async () => {
    const execution = await executor.execute(requestOf(await runTask('(loop (br 0))')))
    await expect(execution.checkpoint()).rejects.toMatchObject({ code: 'sandbox/not-stepwise' })
    await execution.kill('test over')
  })
}
