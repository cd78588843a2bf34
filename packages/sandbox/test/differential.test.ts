import { afterAll, describe, expect, it } from 'vitest'
import { createNativeExecutor, createPortableExecutor, type Executor, locateNative } from '../src/index.ts'
import { components } from './quiet-logger.ts'
import { answersOf, disagreements } from './support/generated.ts'

const binaries = locateNative()
const SEEDS = Array.from({ length: 60 }, (_, index) => 5000 + index)
const PATIENCE = 240_000

describe.skipIf('missing' in binaries)('engines', () => {
  const started: Executor[] = []
  afterAll(() => Promise.all(started.map((executor) => executor.stop())))

  async function answers(executor: Executor): Promise<Map<number, string>> {
    started.push(executor)
    await executor.start()
    return answersOf(executor, SEEDS, 2)
  }

  it(
    'WSM-1 wasmtime and both compilers of V8 give the same output, trap and fuel for generated modules',
    async () => {
      if ('missing' in binaries) return
      const native = await answers(createNativeExecutor(components, { binaries, spares: 2 }))
      const liftoff = await answers(
        createPortableExecutor(components, { v8Flags: ['--liftoff-only'], niceness: 0 }),
      )
      const turbofan = await answers(
        createPortableExecutor(components, { v8Flags: ['--no-liftoff'], niceness: 0 }),
      )
      expect(disagreements({ native, liftoff, turbofan })).toEqual([])
      const traps = new Set([...native.values()].map((answer) => answer.split(' ')[2]))
      expect(traps).toContain('null')
      expect(traps).toContain('out-of-fuel')
      expect(traps.size).toBeGreaterThan(3)
      expect([...native.values()].filter((answer) => answer.includes(' fault/'))).toEqual([])
    },
    PATIENCE,
  )
})
