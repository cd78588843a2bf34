import { instrument } from '@askee/wasm'
import { Prng } from '@askee/wasm/testing'
import { loadModule, WORKLOADS } from '@askee/workloads'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  type Checkpoint,
  createNativeExecutor,
  createPortableExecutor,
  type ExecutionOutcome,
  type ExecutionRequest,
  type Executor,
  locateNative,
} from '../src/index.ts'
import { countdown, told } from '../src/testing/index.ts'
import { components } from './quiet-logger.ts'

const binaries = locateNative()
const PATIENCE = 240_000
/** Interruptions of one run; it goes on on the other engine after each. */
const HOPS = 4
/** Latest moment of an interruption after the start of its piece, ms. */
const LATEST = 25

/** A task of several steps that is still short: which input of the first round, or bytes of that form but larger. */
const INPUTS: Readonly<Record<string, (round: readonly Uint8Array[]) => Uint8Array | undefined>> = {
  // u32 board, u32 queens placed, u32 count, u8 column.
  'n-queens': () => Uint8Array.of(14, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 3),
  'lucas-lehmer': (round) => round[5],
  'lennard-jones': (round) => round[0],
  'smith-waterman': (round) => pairs(round[0]!, 60),
}

/** The first pair of sequences of an input of smith-waterman, `count` times. */
function pairs(input: Uint8Array, count: number): Uint8Array {
  const view = new DataView(input.buffer, input.byteOffset, input.byteLength)
  const second = 16 + view.getUint32(12, true)
  const end = second + 4 + view.getUint32(second, true)
  const header = input.slice(0, 12)
  new DataView(header.buffer).setUint32(8, count, true)
  return Buffer.concat([header, ...Array.from({ length: count }, () => input.subarray(12, end))])
}

describe.skipIf('missing' in binaries)('two engines', () => {
  const portable = createPortableExecutor(components, { niceness: 0 })
  const native = 'missing' in binaries ? portable : createNativeExecutor(components, { binaries })
  beforeAll(() => Promise.all([portable.start(), native.start()]))
  afterAll(() => Promise.all([portable.stop(), native.stop()]))

  /** Runs in pieces, each on the other engine than the one before. */
  async function hop(request: ExecutionRequest, first: Executor, delays: readonly number[]) {
    let executor = first
    let resumeFrom: Checkpoint | undefined
    let hops = 0
    for (const delay of [...delays, null]) {
      const execution = await executor.execute({
        ...request,
        ...(resumeFrom === undefined ? {} : { resumeFrom }),
      })
      if (delay !== null) {
        await new Promise((resolve) => setTimeout(resolve, delay))
        await execution.checkpoint()
      }
      const outcome: ExecutionOutcome = await execution.outcome
      if (outcome.kind !== 'checkpointed') return { answer: told(outcome), hops }
      resumeFrom = outcome.checkpoint
      hops += 1
      executor = executor === native ? portable : native
    }
    throw new Error('unreachable: the last piece is never interrupted')
  }

  /** Both directions, at moments drawn from `seed`; the first interruption comes as early as can be. */
  async function expectSameEverywhere(request: ExecutionRequest, seed: number): Promise<void> {
    const prng = new Prng(seed)
    const whole = told(await (await portable.execute(request)).outcome)
    expect(whole).toMatch(/^[0-9a-f]* null \d+$/)
    expect(told(await (await native.execute(request)).outcome)).toBe(whole)
    let hops = 0
    for (const first of [native, portable]) {
      const delays = Array.from({ length: HOPS }, (_, index) => (index === 0 ? 0 : prng.below(LATEST)))
      const run = await hop(request, first, delays)
      expect(run.answer, `seed ${seed}, first on ${first.describe().name}, after ${delays} ms`).toBe(whole)
      hops += run.hops
    }
    expect(hops).toBeGreaterThan(0)
  }

  it(
    'WSM-5 a checkpoint of either engine resumes on the other with the same result',
    async () => {
      const limits = {
        fuel: (10n ** 12n) as never,
        memoryBytes: 4 * 65_536,
        outputBytes: 2048,
        wallTime: 200_000,
      }
      const request = { module: await countdown(1_000_000), input: Uint8Array.of(60), limits }
      await expectSameEverywhere(request, 1)
    },
    PATIENCE,
  )

  it(
    'WSM-5 the same state is the same checkpoint on both engines, byte for byte',
    async () => {
      const limits = {
        fuel: (10n ** 12n) as never,
        memoryBytes: 4 * 65_536,
        outputBytes: 2048,
        wallTime: 200_000,
      }
      const request = { module: await countdown(100_000), input: Uint8Array.of(200), limits }
      const seen = new Map<bigint, Checkpoint>()
      for (const executor of [portable, native, portable, native]) {
        let resumeFrom: Checkpoint | undefined
        for (let piece = 0; piece < 12; piece++) {
          const resumed = resumeFrom === undefined ? request : { ...request, resumeFrom }
          const execution = await executor.execute(resumed)
          await execution.checkpoint()
          const outcome = await execution.outcome
          if (outcome.kind !== 'checkpointed') break
          resumeFrom = outcome.checkpoint
          const before = seen.get(outcome.fuel)
          if (before !== undefined) expect(Buffer.from(resumeFrom).equals(before)).toBe(true)
          seen.set(outcome.fuel, resumeFrom)
        }
      }
      expect(seen.size).toBeGreaterThan(0)
    },
    PATIENCE,
  )

  for (const [name, workload] of WORKLOADS) {
    it(
      `WSM-5 the workload ${name} stops anywhere and ends on the other engine with the same result`,
      async () => {
        const { bytes } = instrument(await loadModule(workload.moduleName), {
          abi: 'askee',
          maxMemoryBytes: workload.resources.memoryBytes,
        })
        const round = workload.plan('default').next()
        const choose = INPUTS[name] ?? ((inputs: readonly Uint8Array[]) => inputs.at(-1))
        const input = round.done ? undefined : choose(round.value)
        if (input === undefined) throw new Error('expected inputs')
        const limits = { ...workload.resources, wallTime: 200_000 }
        await expectSameEverywhere({ module: bytes, input, limits }, name.length)
      },
      PATIENCE,
    )
  }
})
