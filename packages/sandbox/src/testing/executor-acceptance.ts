import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Executor } from '../executor.ts'
import { describeControl } from './acceptance-control.ts'
import { describeLimits } from './acceptance-limits.ts'
import { describeStepwise } from './acceptance-stepwise.ts'
import { outcomeOf, requestOf, told } from './run.ts'
import { TRAP_CASES } from './trap-cases.ts'
import { countedTask } from './wat.ts'

export type MakeExecutor = () => Executor

/**
 * Registers the suite that every adapter of the Executor port must pass, named `name`. `makeExecutor` gives an executor
 * that was not started; the suite starts and stops it.
 */
export function executorAcceptance(name: string, makeExecutor: MakeExecutor): void {
  describe(`executor acceptance: ${name}`, () => {
    const executor = makeExecutor()
    beforeAll(() => executor.start())
    afterAll(() => executor.stop())

    describeResults(executor)
    describeLimits(executor)
    describeStepwise(executor)
    describeControl(executor, makeExecutor)
  })
}

function describeResults(executor: Executor): void {
  for (const { name, trap, module, fuel } of TRAP_CASES) {
    it(`WSM-1 gives the trap ${trap} for ${name}`, async () => {
      const outcome = await outcomeOf(
        executor,
        await module(),
        fuel === undefined ? {} : { limits: { fuel } },
      )
      expect(outcome).toMatchObject({ kind: 'completed', result: { trap } })
    })
  }

  it('WSM-1 gives the input to the task and its output back', async () => {
    const module = await countedTask(`
      (drop (call $input_read (i32.const 0) (i32.const 1) (call $input_size)))
      (call $output_write (i32.const 0) (call $input_size))
      (call $output_write (i32.const 0) (i32.const 0))`)
    const outcome = await outcomeOf(executor, module, { input: Uint8Array.of(9, 8, 7) })
    expect(told(outcome)).toBe('080700 null 0')
  })

  it('WSM-1 input_read says how many bytes it copied, also past the end of the input', async () => {
    const read = (at: number, from: number, length: number) =>
      `(i32.store8 (i32.const ${at}) (call $input_read (i32.const 100) (i32.const ${from}) (i32.const ${length})))`
    const module = await countedTask(`
      ${read(0, 0, 2)} ${read(1, 2, 5)} ${read(2, 3, 5)} ${read(3, -1, 5)}
      (call $output_write (i32.const 0) (i32.const 4))`)
    const outcome = await outcomeOf(executor, module, { input: Uint8Array.of(1, 2, 3) })
    expect(told(outcome)).toBe('02010000 null 0')
  })

  it('WSM-1 keeps the output from before a trap', async () => {
    const module = await countedTask(`
      (i32.store (i32.const 0) (i32.const 0x04030201))
      (call $output_write (i32.const 0) (i32.const 4)) (call $burn (i64.const 5)) unreachable`)
    expect(told(await outcomeOf(executor, module))).toBe('01020304 unreachable 5')
  })

  it('WSM-1 keeps the output that fitted when a write is too large, and nothing of that write', async () => {
    const module = await countedTask(`
      (i32.store (i32.const 0) (i32.const 0x04030201))
      (call $output_write (i32.const 0) (i32.const 3)) (call $output_write (i32.const 0) (i32.const 3))`)
    const outcome = await outcomeOf(executor, module, { limits: { outputBytes: 5 } })
    expect(told(outcome)).toBe('010203 output-too-large 0')
  })

  it('WSM-4 counts fuel, and all of the limit when it ran out', async () => {
    const burn = await countedTask('(call $burn (i64.const 1234))')
    expect(told(await outcomeOf(executor, burn))).toBe(' null 1234')
    expect(told(await outcomeOf(executor, burn, { limits: { fuel: 1234n as never } }))).toBe(' null 1234')
    expect(told(await outcomeOf(executor, burn, { limits: { fuel: 1233n as never } }))).toBe(
      ' out-of-fuel 1233',
    )
  })

  it('WSM-4 never reports fuel outside the limit, whatever a module does to its counter', async () => {
    const gains = await countedTask('(call $burn (i64.const -50))')
    expect(told(await outcomeOf(executor, gains))).toBe(' null 0')
    const quiet = await countedTask('(global.set $fuel (i64.const -1))')
    expect(told(await outcomeOf(executor, quiet))).toBe(' out-of-fuel 1000000000000')
  })

  it('WSM-1 a memory that cannot grow for lack of room on this machine is a fault, not a result', async () => {
    const module = await countedTask('(global.set $stack (i32.const 0x80000000)) unreachable')
    expect(told(await outcomeOf(executor, module))).toBe('fault/host-memory')
  })

  it('WSM-1 a native stack overflow is a fault, not a result', async () => {
    const module = await countedTask('(call $deep)', '(func $deep (call $deep) (call $deep))')
    const outcome = await outcomeOf(executor, module)
    expect(['fault/engine', 'fault/child-died']).toContain(told(outcome))
  })

  it('WSM-1 tasks that run at the same time do not see one another', async () => {
    const module = await countedTask(`
      (drop (call $input_read (i32.const 0) (i32.const 0) (i32.const 4)))
      (call $burn (i64.load32_u (i32.const 0))) (call $output_write (i32.const 0) (i32.const 4))`)
    const numbers = [1, 2, 3, 4, 5]
    const outcomes = await Promise.all(
      numbers.map((number) => outcomeOf(executor, module, { input: Uint8Array.of(number, 0, 0, 0) })),
    )
    expect(outcomes.map(told)).toEqual(numbers.map((number) => `0${number}000000 null ${number}`))
  })

  it('WSM-2 refuses what is not an instrumented module, as a fault', async () => {
    const good = await countedTask('')
    const bad = [
      new Uint8Array(0),
      Uint8Array.of(0, 0x61, 0x73, 0x6d),
      good.subarray(0, -3),
      good.map((byte) => byte ^ 1),
    ]
    for (const module of bad) expect(told(await outcomeOf(executor, module))).toBe('fault/module')
  })

  it('WSM-2 refuses a body that the engine does not validate', async () => {
    const module = await countedTask('(drop (i32.const 5))')
    // `i32.const 5; drop; end` becomes `i32.const 5; end; end`.
    const at = Buffer.from(module).lastIndexOf(Buffer.from([0x41, 5, 0x1a, 0x0b]))
    const broken = module.slice()
    broken[at + 2] = 0x0b
    expect(told(await outcomeOf(executor, broken))).toBe('fault/module')
  })

  it('WSM-1 log lines arrive escaped and capped and change no result', async () => {
    const module = await countedTask(
      '(call $log (i32.const 0) (i32.const 9)) (call $log (i32.const 0) (i32.const 60000)) (call $log (i32.const 0) (i32.const 60000))',
      '(data (i32.const 0) "a\\1b[2J\\0a\\c2\\9bz")',
    )
    const lines: string[] = []
    const outcome = await outcomeOf(executor, module, { onLog: (line) => lines.push(line) })
    expect(told(outcome)).toBe(' null 0')
    expect(lines[0]).toBe('a\\u{1b}[2J\\u{a}\\u{9b}z')
    expect(lines.length).toBe(3)
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(6 * 4096)
  })

  it('GOV-7 a flood of log lines is cut and the task goes on', async () => {
    const module = await countedTask(`(local i32)
      (loop $again (call $log (i32.const 0) (i32.const 0))
        (br_if $again (i32.lt_u (local.tee 0 (i32.add (local.get 0) (i32.const 1))) (i32.const 100000))))`)
    let lines = 0
    const request = requestOf(module, { onLog: () => (lines += 1) })
    const outcome = await (await executor.execute(request)).outcome
    expect(told(outcome)).toBe(' null 0')
    expect(lines).toBe(4096)
  })
}
