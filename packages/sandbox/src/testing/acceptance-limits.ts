import { expect, it } from 'vitest'
import type { Executor } from '../executor.ts'
import { outcomeOf, requestOf, told } from './run.ts'
import { countedTask, runTask, task } from './wat.ts'

/** Limits of a task: memory, output, wall time. */
export function describeLimits(executor: Executor): void {
  it('GOV-7 refuses a module that may take more memory than allowed', async () => {
    const module = await task({ pages: [1, 5], body: '(func (export "run"))' })
    expect(told(await outcomeOf(executor, module))).toBe('fault/module')
    const allowed = await outcomeOf(executor, module, { limits: { memoryBytes: 5 * 65_536 } })
    expect(allowed).toMatchObject({ kind: 'completed', result: { trap: null } })
  })

  it('WSM-1 growing past the declared maximum gives -1', async () => {
    const module = await countedTask(`
      (i32.store8 (i32.const 0) (memory.grow (i32.const 3))) (i32.store8 (i32.const 1) (memory.grow (i32.const 1)))
      (call $output_write (i32.const 0) (i32.const 2))`)
    expect(told(await outcomeOf(executor, module))).toBe('01ff null 0')
  })

  it('GOV-7 ends a task that is over its wall time as a fault of this node', async () => {
    const module = await countedTask('(loop $again (br $again))')
    const start = performance.now()
    expect(told(await outcomeOf(executor, module, { limits: { wallTime: 200 } }))).toBe('fault/wall-time')
    expect(performance.now() - start).toBeLessThan(5000)
  })

  it('GOV-7 stops a flood of output at its limit', async () => {
    const module = await runTask(
      '(loop $again (call $output_write (i32.const 0) (i32.const 1000)) (br $again))',
    )
    const outcome = await outcomeOf(executor, module, {
      limits: { outputBytes: 1_500_500, fuel: 1_000_000_000n as never },
    })
    expect(outcome).toMatchObject({ kind: 'completed', result: { trap: 'output-too-large' } })
    expect(outcome.kind === 'completed' && outcome.result.output.byteLength).toBe(1_500_000)
  })

  it('GOV-7 refuses limits out of range', async () => {
    const module = await runTask('')
    for (const limits of [
      { fuel: 0n as never },
      { fuel: (2n ** 63n) as never },
      { memoryBytes: -1 },
      { memoryBytes: Number.NaN },
      { outputBytes: 2 ** 40 },
      { processBytes: 1 },
      { wallTime: 0 },
      { wallTime: Number.POSITIVE_INFINITY },
    ]) {
      await expect(executor.execute(requestOf(module, { limits }))).rejects.toMatchObject({
        code: 'sandbox/limits',
      })
    }
  })
}
