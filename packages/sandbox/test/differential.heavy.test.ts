import { digestOf } from '@askee/core'
import { instrument, resultDigest } from '@askee/wasm'
import { carryOut, loadModule, WORKLOADS, type Workload } from '@askee/workloads'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createNativeExecutor, createPortableExecutor, type Executor, locateNative } from '../src/index.ts'
import { components } from './quiet-logger.ts'
import { Census } from './support/census.ts'
import { answersOf, disagreements, generatedModule } from './support/generated.ts'
import { listing, Tally } from './support/tally.ts'
import { answersOfV8, V8_COMPILERS } from './support/v8-compilers.ts'

const binaries = locateNative()
/** One can ask for less, or for other seeds, while looking for a difference. */
const FIRST = Number(process.env.ASKEE_DIFFERENTIAL_SEED ?? 100_000)
const COUNT = Number(process.env.ASKEE_DIFFERENTIAL_COUNT ?? 10_000)
/** For CI: no batch begins after so long, once there are the fewest that count. Unlimited unless set. */
const MINUTES = Number(process.env.ASKEE_DIFFERENTIAL_MINUTES ?? Number.POSITIVE_INFINITY)
/** Fewer prove nothing, however slow the machine. */
const FEWEST = Math.min(1_000, COUNT)
/** Seeds of one V8 process. */
const BATCH = 500
/** Tasks of the native executor at a time: of the lowest priority, they fill what gaps others leave, if enough stand ready. */
const WIDTH = 12
/** One of so many modules is disassembled for the table. */
const SAMPLED = 9
/** On a busy machine the lowest priority waits, and that is no difference. Milliseconds. */
const START_TIMEOUT = 300_000
const WALL_TIME = 600_000
const PATIENCE = 7_200_000

const tell = (text: string): void => void process.stderr.write(`${text}\n`)
const seedsFrom = (first: number, count: number) => Array.from({ length: count }, (_, index) => first + index)

describe.skipIf('missing' in binaries)('engines, at length', () => {
  const executors = new Map<string, Executor>(
    'missing' in binaries
      ? []
      : [
          [
            'wasmtime',
            createNativeExecutor(components, { binaries, spares: WIDTH, startTimeout: START_TIMEOUT }),
          ],
          ...Object.entries(V8_COMPILERS).map(
            ([name, v8Flags]) =>
              [name, createPortableExecutor(components, { v8Flags, niceness: 0 })] as const,
          ),
        ],
  )
  beforeAll(() => Promise.all([...executors.values()].map((executor) => executor.start())))
  afterAll(() => Promise.all([...executors.values()].map((executor) => executor.stop())))

  it(
    'WSM-1 wasmtime and both compilers of V8 agree on generated modules by the thousand',
    async () => {
      const begun = performance.now()
      const seconds = () => ((performance.now() - begun) / 1000).toFixed(0)
      let done = 0
      const differences: string[] = []
      const tally = new Tally()
      const census = new Census()
      while (done < FEWEST || (done < COUNT && performance.now() - begun < MINUTES * 60_000)) {
        const first = FIRST + done
        const count = Math.min(BATCH, COUNT - done)
        const seeds = seedsFrom(first, count)
        const [liftoff, turbofan] = await Promise.all([
          answersOfV8(V8_COMPILERS.liftoff, first, count),
          answersOfV8(V8_COMPILERS.turbofan, first, count),
        ])
        const wasmtime = await answersOf(executors.get('wasmtime')!, seeds, WIDTH)
        expect(wasmtime.size).toBe(count)
        differences.push(...disagreements({ wasmtime, liftoff, turbofan }))
        tally.add(wasmtime.values())
        await census.count(seeds.filter((seed) => seed % SAMPLED === 0).map(generatedModule))
        done += count
        tell(`differential: ${done} of ${COUNT}, ${differences.length} differences, ${seconds()} s`)
      }
      const rows = [...census.rows(), ...tally.rows()]
      tell(`${done} generated modules on three compilers, ${seconds()} s\n${listing(rows)}`)
      expect(differences).toEqual([])
      if (done < COUNT) tell(`not shown: ${COUNT - done} of ${COUNT} modules, within ${MINUTES} minutes`)
      expect(done).toBeGreaterThanOrEqual(Number.isFinite(MINUTES) ? FEWEST : COUNT)
      // Whoever looks for a difference asks for less.
      if (COUNT < 1_000) return
      // A generator that has become dull would prove nothing.
      expect(census.kinds).toBeGreaterThan(350)
      expect(tally.traps.get('null')).toBeLessThan(0.8 * done)
      expect(tally.traps.size).toBeGreaterThan(8)
    },
    PATIENCE,
  )

  it('WSM-1 the control: without the pass the compilers of V8 differ on the same modules', async () => {
    const [liftoff, turbofan] = await Promise.all([
      answersOfV8(V8_COMPILERS.liftoff, 100_000, 400, '--raw'),
      answersOfV8(V8_COMPILERS.turbofan, 100_000, 400, '--raw'),
    ])
    expect(liftoff.size).toBe(400)
    expect(disagreements({ liftoff, turbofan }).length).toBeGreaterThan(0)
  })

  /** Digests of all results, round after round, and the answer made of them. */
  async function digestsOn(executor: Executor, workload: Workload): Promise<string[]> {
    const module = await loadModule(workload.moduleName)
    const { bytes } = instrument(module, { abi: 'askee', maxMemoryBytes: workload.resources.memoryBytes })
    const limits = { ...workload.resources, wallTime: WALL_TIME }
    const digests: string[] = []
    const answer = await carryOut(workload.plan('default'), async (inputs) => {
      const outputs: Uint8Array[] = []
      for (const input of inputs) {
        const { outcome } = await executor.execute({ module: bytes, input, limits })
        const ended = await outcome
        if (ended.kind !== 'completed') throw new Error(`expected a result, received ${ended.kind}`)
        digests.push(resultDigest({ module: digestOf(module), input: digestOf(input), ...ended.result }))
        outputs.push(ended.result.output)
      }
      return outputs
    })
    return [...digests, answer]
  }

  for (const [name, workload] of WORKLOADS) {
    it(
      `WSM-1 every task of the workload ${name} has one digest on wasmtime and both compilers of V8`,
      async () => {
        const digests = new Map<string, string[]>()
        for (const [engine, executor] of executors) digests.set(engine, await digestsOn(executor, workload))
        expect(digests.get('liftoff')).toEqual(digests.get('wasmtime'))
        expect(digests.get('turbofan')).toEqual(digests.get('wasmtime'))
        expect(digests.get('wasmtime')?.at(-1)).toBe(workload.expected('default'))
      },
      PATIENCE,
    )
  }
})
