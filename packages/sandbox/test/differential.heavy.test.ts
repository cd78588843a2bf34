import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { createNativeExecutor, locateNative } from '../src/index.ts'
import { components } from './quiet-logger.ts'
import { answersOf, disagreements } from './support/generated.ts'

const binaries = locateNative()
const run = promisify(execFile)
const SCRIPT = fileURLToPath(new URL('support/v8-answers.ts', import.meta.url))
/** One can ask for less, or for other seeds, while looking for a difference. */
const FIRST = Number(process.env.ASKEE_DIFFERENTIAL_SEED ?? 100_000)
const COUNT = Number(process.env.ASKEE_DIFFERENTIAL_COUNT ?? 10_000)
/** Seeds of one V8 process. */
const BATCH = 500
const WIDTH = 3
const PATIENCE = 7_200_000

/** What V8 with these flags says of each seed, in this many processes one after the other. */
async function answersOfV8(
  flags: readonly string[],
  first: number,
  count: number,
): Promise<Map<number, string>> {
  const { stdout } = await run(process.execPath, [...flags, SCRIPT, String(first), String(count)], {
    maxBuffer: 1 << 30,
  })
  const lines = stdout.trim().split('\n')
  return new Map(
    lines.map((line) => [Number(line.slice(0, line.indexOf(' '))), line.slice(line.indexOf(' ') + 1)]),
  )
}

describe.skipIf('missing' in binaries)('engines, at length', () => {
  it(
    `WSM-1 wasmtime and both compilers of V8 agree on ${COUNT} generated modules`,
    async () => {
      if ('missing' in binaries) return
      const executor = createNativeExecutor(components, { binaries, spares: WIDTH })
      await executor.start()
      const differences: string[] = []
      let seen = 0
      try {
        for (let first = FIRST; first < FIRST + COUNT; first += BATCH) {
          const count = Math.min(BATCH, FIRST + COUNT - first)
          const seeds = Array.from({ length: count }, (_, index) => first + index)
          const liftoff = await answersOfV8(['--liftoff-only'], first, count)
          const turbofan = await answersOfV8(['--no-liftoff', '--no-wasm-tier-up'], first, count)
          const native = await answersOf(executor, seeds, WIDTH)
          differences.push(...disagreements({ native, liftoff, turbofan }))
          seen += native.size
        }
      } finally {
        await executor.stop()
      }
      expect(differences).toEqual([])
      expect(seen).toBe(COUNT)
    },
    PATIENCE,
  )
})
