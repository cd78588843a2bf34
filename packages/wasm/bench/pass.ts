/**
 * M-4: what the pass costs. `node packages/wasm/bench/pass.ts` measures modules of its own; the workspace's bench
 * gives the real workloads to `measurePass`.
 */
import { check, instrument } from '../src/index.ts'
import {
  ENGINE,
  type EngineExports,
  type EngineGlobal,
  type EngineMemory,
  generateModule,
} from '../src/testing/index.ts'
import { ownCases } from './own-cases.ts'

export interface PassCase {
  readonly name: string
  readonly module: Uint8Array
  readonly input: Uint8Array
}

export interface PassRow {
  readonly name: string
  /** Milliseconds of processor time, medians of interleaved runs. */
  readonly original: number
  readonly instrumented: number
  /** Median of the ratios of neighbouring runs. */
  readonly ratio: number
}

export interface PassMeasure {
  readonly rows: readonly PassRow[]
  /** Geometric mean of the ratios. */
  readonly ratio: number
}

/**
 * Runs every module with and without the pass, interleaved, after both were compiled by the optimizing compiler.
 * Runs are repeated until each takes some milliseconds.
 */
export function measurePass(cases: readonly PassCase[], rounds = 15): PassMeasure {
  const rows = cases.map((one) => measureCase(one, rounds))
  const logs = rows.map(({ ratio }) => Math.log(ratio))
  return { rows, ratio: Math.exp(logs.reduce((sum, log) => sum + log, 0) / logs.length) }
}

function measureCase({ name, module, input }: PassCase, rounds: number): PassRow {
  const original = new ENGINE.Module(module)
  const instrumented = new ENGINE.Module(instrument(module).bytes)
  for (let index = 0; index < 4; index++) {
    cpuOf(original, input, 1)
    cpuOf(instrumented, input, 1)
  }
  const repeats = Math.min(200, Math.max(1, Math.ceil(15 / cpuOf(original, input, 1))))
  cpuOf(original, input, repeats)
  cpuOf(instrumented, input, repeats)
  const pairs = Array.from({ length: rounds }, () => [
    cpuOf(original, input, repeats),
    cpuOf(instrumented, input, repeats),
  ])
  return {
    name,
    original: median(pairs.map(([first = 0]) => first)) / repeats,
    instrumented: median(pairs.map(([, second = 0]) => second)) / repeats,
    ratio: median(pairs.map(([first = 1, second = 1]) => second / first)),
  }
}

/** Processor milliseconds of `repeats` runs, each in an instance made before. */
function cpuOf(module: object, input: Uint8Array, repeats: number): number {
  const entries = Array.from({ length: repeats }, () => {
    const exported = instantiate(module, input)
    return (exported.run ?? exported.step) as () => number | undefined
  })
  const before = process.cpuUsage()
  for (const entry of entries) {
    let left: number | undefined
    do left = entry()
    while (left !== undefined && left !== 0)
  }
  const { user, system } = process.cpuUsage(before)
  return Math.max(user + system, 1) / 1000
}

function instantiate(module: object, input: Uint8Array): EngineExports {
  let bytes: (at: number, length: number) => Uint8Array = () => new Uint8Array(0)
  const askee = {
    input_size: () => input.byteLength,
    input_read(target: number, offset: number, length: number): number {
      const part = input.subarray(offset, offset + length)
      bytes(target, part.byteLength).set(part)
      return part.byteLength
    },
    output_write: () => {},
    log: () => {},
  }
  const { exports } = new ENGINE.Instance(module, { askee })
  const memory = exports.memory as EngineMemory
  bytes = (at, length) => new Uint8Array(memory.buffer, at, length)
  const fuel = exports.askee_fuel as EngineGlobal | undefined
  if (fuel !== undefined) fuel.value = 1n << 60n
  return exports
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[sorted.length >> 1] as number
}

/** Megabytes of module a second that admission and the whole pass read. */
export function measureSpeed(): { checkMBps: number; instrumentMBps: number } {
  const modules = Array.from({ length: 300 }, (_, seed) => generateModule(seed))
  const bytes = modules.reduce((sum, { byteLength }) => sum + byteLength, 0)
  const speed = (work: (module: Uint8Array) => unknown): number => {
    const times = Array.from({ length: 9 }, () => {
      const before = process.cpuUsage()
      for (const module of modules) work(module)
      const { user, system } = process.cpuUsage(before)
      return user + system
    })
    return bytes / median(times)
  }
  return {
    checkMBps: speed((module) => check(module)),
    instrumentMBps: speed((module) => instrument(module)),
  }
}

if (process.argv[1] === import.meta.filename) {
  const { rows, ratio } = measurePass(await ownCases())
  console.table(rows)
  console.log('geometric mean', ratio.toFixed(3), measureSpeed())
}
