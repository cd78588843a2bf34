import { afterEach, describe, expect, it } from 'vitest'
import { createPortableExecutor, type Executor, type PortableExecutorInit } from '../src/index.ts'
import { countedTask, outcomeOf, requestOf, runTask, told, wat } from '../src/testing/index.ts'
import { components } from './quiet-logger.ts'

let executor: Executor | undefined

async function started(init: PortableExecutorInit): Promise<Executor> {
  executor = createPortableExecutor(components, init)
  await executor.start()
  return executor
}

afterEach(() => executor?.stop())

describe('the portable executor', () => {
  it('GOV-7 kills a process that takes more memory than its share', async () => {
    const own = await started({ overheadBytes: 8 * 1024 * 1024 })
    const module = await countedTask('(loop $again (br $again))')
    expect(told(await outcomeOf(own, module))).toBe('fault/host-memory')
  })

  it('WSM-1 both compilers of V8 give the same output, trap and fuel', async () => {
    const module = await runTask(
      `(local i32 f64)
      (loop $again
        (local.set 1 (f64.add (f64.sqrt (local.get 1)) (f64.convert_i32_u (local.get 0))))
        (f64.store (i32.const 0) (local.get 1))
        (br_if $again (i32.lt_u (local.tee 0 (i32.add (local.get 0) (i32.const 1))) (i32.const 100000))))
      (call $output_write (i32.const 0) (i32.const 8)) (call $deeper)`,
      '(func $deeper (call $deeper) (call $deeper))',
    )
    const seen = new Set<string>()
    for (const v8Flags of [['--liftoff-only'], ['--no-liftoff'], ['--single-threaded']]) {
      const own = await started({ v8Flags, spares: 0 })
      seen.add(told(await outcomeOf(own, module)))
      await own.stop()
    }
    expect([...seen]).toEqual([expect.stringMatching(/^[0-9a-f]{16} stack-overflow \d+$/)])
  })

  it('WSM-2 refuses imports, start sections and memories that no instrumented module has', async () => {
    const own = await started({ spares: 0 })
    const counters = `
      (global (export "askee_fuel") (mut i64) (i64.const 0)) (global (export "askee_stack") (mut i32) (i32.const 0))`
    const memory = '(memory (export "memory") 1 1)'
    const run = '(func (export "run"))'
    const bad = [
      `(module (import "wasi" "fd_write" (func)) ${memory} ${counters} ${run})`,
      `(module (import "askee" "log" (global i32)) ${memory} ${counters} ${run})`,
      `(module (memory (export "memory") 1) ${counters} ${run})`,
      `(module ${counters} ${run})`,
      `(module ${memory} ${run})`,
      `(module ${memory} ${counters})`,
      `(module ${memory} ${counters} ${run} (func $f) (start $f))`,
      `(module ${memory} ${counters} ${run} (func (export "step") (result i32) (i32.const 0)))`,
      `(module ${memory} ${counters} (func (export "step") (result i32) (i32.const 0)))`,
    ]
    for (const text of bad) expect(told(await outcomeOf(own, await wat(text)))).toBe('fault/module')
  })

  it('SBX-5 a task from a spare leaves nothing to the next one', async () => {
    const own = await started({ spares: 1, niceness: 0 })
    const module = await countedTask(`
      (i32.store (i32.const 4) (i32.add (i32.load (i32.const 4)) (i32.const 1)))
      (call $output_write (i32.const 4) (i32.const 4))`)
    for (let round = 0; round < 3; round++) {
      expect(told(await outcomeOf(own, module))).toBe('01000000 null 0')
      await new Promise((resolve) => setTimeout(resolve, 150))
    }
  })

  it('SBX-5 a spare that died or grew old is not used', async () => {
    const own = await started({ spares: 2, spareIdle: 30 })
    const module = await countedTask('')
    for (let round = 0; round < 2; round++) {
      expect(told(await outcomeOf(own, module))).toBe(' null 0')
      await new Promise((resolve) => setTimeout(resolve, 300))
    }
  })

  it('SBX-3 says less when the tools of Linux are missing', async () => {
    const full = (await started({})).describe().layers
    await executor?.stop()
    const bare = (await started({ wrapper: 'none' })).describe().layers
    if (process.platform === 'linux') expect(full.length).toBeGreaterThan(bare.length)
    expect(executor?.describe().tier).toBe('process')
  })

  it('SBX-5 executing while stopping leaves no process behind', async () => {
    const own = await started({ spares: 1 })
    const pending = own.execute(requestOf(await countedTask('(loop $again (br $again))')))
    await own.stop()
    const execution = await pending
    expect(['killed', 'fault/start', 'fault/child-died']).toContain(told(await execution.outcome))
  })
})
