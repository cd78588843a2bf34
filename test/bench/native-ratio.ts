/**
 * M-3: processor time of a task in the sandbox ÷ that of the same algorithm in C at -O2. Modules are those after the pass.
 * Processor time is user and system, of the runner process and of the C process; what either takes for an idle input (its
 * start, and compiling the module) is taken away. `node test/bench/native-ratio.ts` measures this alone.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Fuel } from '@askee/core'
import { createNativeExecutor, createPortableExecutor, type Executor, locateNative } from '@askee/sandbox'
import { instrument } from '@askee/wasm'
import { COMPONENTS } from '../../packages/sandbox/bench/sample.ts'
import {
  compileProgram,
  findCompiler,
  type ProgramRun,
  runProgram,
} from '../../packages/workloads/bench/c-program.ts'
import { type LargeCase, largeCases } from '../../packages/workloads/bench/large-cases.ts'
import type { Measure } from './measure.ts'

type EngineName = 'native' | 'portable' | 'baseline'
type Runner = (input: Uint8Array) => Promise<ProgramRun>
type Engines = ReadonlyMap<EngineName, Executor>

interface Row {
  readonly name: string
  /** Processor milliseconds of the C program, median. */
  readonly c: number
  /** One a round. */
  readonly ratios: ReadonlyMap<EngineName, readonly number[]>
  /** Fastest run of the sandbox ÷ fastest run of C: on a busy machine what disturbs a run only ever slows it down. */
  readonly fastest: ReadonlyMap<EngineName, number>
}

/** No task here comes near it. */
const FUEL = (10n ** 15n) as Fuel
/** Tasks of the native executor have the lowest priority: on a busy machine they wait for long. Milliseconds. */
const WALL_TIME = 600_000
const OUTPUT_BYTES = 1 << 24
const LITERATURE = 1.5

/**
 * @returns null where there is no C compiler, after saying so
 * @throws Error when an output of the sandbox is not that of the C program
 */
export async function measureNativeRatio(
  note: (text: string) => void,
  { rounds = 5, only = '' }: { readonly rounds?: number; readonly only?: string } = {},
): Promise<Measure | null> {
  const compiler = findCompiler()
  if (compiler === null) {
    note('M-3: skipped, there is no gcc on this machine')
    return null
  }
  note(`M-3: tasks beside C, ${compiler}, load ${loadavg()[0]?.toFixed(1)} …`)
  const folder = mkdtempSync(join(tmpdir(), 'askee-bench-'))
  const engines = executors(note)
  try {
    for (const executor of engines.values()) await executor.start()
    const rows: Row[] = []
    for (const one of largeCases().filter(({ name }) => name.includes(only))) {
      const row = await measureCase(one, compileProgram(one.name, folder), engines, rounds)
      rows.push(row)
      note(describe(row))
    }
    const names = [...engines.keys()]
    const means = new Map(
      names.map((name) => [name, geometricMean(rows.map(({ ratios }) => median(ratios.get(name) ?? [])))]),
    )
    const fastest = names.map(
      (name) => [name, geometricMean(rows.map((row) => row.fastest.get(name) ?? Number.NaN))] as const,
    )
    note(`  geometric means: of the medians ${listed(means)}; of fastest ÷ fastest ${listed(fastest)}`)
    return measureOf(means)
  } finally {
    for (const executor of engines.values()) await executor.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}

function measureOf(means: ReadonlyMap<EngineName, number>): Measure {
  const engine = means.has('native') ? 'native' : 'portable'
  return {
    id: 'M-3',
    what: `task in the sandbox (${engine} executor) ÷ same C at -O2, geometric mean of the workloads`,
    value: means.get(engine) ?? Number.NaN,
    unit: '×',
    least: 2,
    aim: 1.3,
    better: 'lower',
    references: [{ what: 'wasm engines on SPEC (literature, 2019)', value: LITERATURE }],
    control: { what: "V8's baseline compiler alone", value: means.get('baseline') ?? Number.NaN },
  }
}

function executors(note: (text: string) => void): Engines {
  const engines = new Map<EngineName, Executor>()
  const binaries = locateNative()
  if ('missing' in binaries) note(`  no native executor: ${binaries.missing}`)
  else engines.set('native', createNativeExecutor(COMPONENTS, { binaries, spares: 0 }))
  // Not at the lowest priority: that changes how long one waits, not how much is to do.
  const init = { spares: 0, niceness: 0 }
  engines.set('portable', createPortableExecutor(COMPONENTS, init))
  engines.set('baseline', createPortableExecutor(COMPONENTS, { ...init, v8Flags: ['--liftoff-only'] }))
  return engines
}

/** All engines take turns with the C program; the control, of which only the rough size matters, once. */
async function measureCase(one: LargeCase, program: string, engines: Engines, rounds: number): Promise<Row> {
  const module = instrument(await one.module()).bytes
  const inC = async (input: Uint8Array): Promise<ProgramRun> => runProgram(program, input)
  const expected = (await inC(one.input)).output
  const idleC = await idleTime(inC, one.idle, rounds)
  const runners = new Map<EngineName, { run: Runner; idle: number }>()
  for (const [engine, executor] of engines) {
    const run: Runner = (input) => runTask(executor, module, input, one.memoryBytes)
    runners.set(engine, { run, idle: await idleTime(run, one.idle, engine === 'baseline' ? 1 : 3) })
  }
  const times: number[] = []
  const ratios = new Map<EngineName, number[]>([...engines.keys()].map((engine) => [engine, []]))
  const least = new Map<EngineName, number>()
  for (let round = 0; round < rounds; round++) {
    const c = (await inC(one.input)).cpuTime - idleC
    times.push(c)
    for (const [engine, { run, idle }] of runners) {
      if (engine === 'baseline' && round > 0) continue
      const { output, cpuTime } = await run(one.input)
      if (Buffer.compare(output, expected) !== 0) throw new Error(`${one.name}: ${engine} and C disagree`)
      ratios.get(engine)?.push((cpuTime - idle) / c)
      least.set(engine, Math.min(cpuTime - idle, least.get(engine) ?? Number.POSITIVE_INFINITY))
    }
  }
  const fastest = new Map([...least].map(([engine, time]) => [engine, time / Math.min(...times)]))
  return { name: one.name, c: median(times), ratios, fastest }
}

async function idleTime(run: Runner, input: Uint8Array, rounds: number): Promise<number> {
  const times: number[] = []
  for (let round = 0; round < rounds; round++) times.push((await run(input)).cpuTime)
  return median(times)
}

async function runTask(
  executor: Executor,
  module: Uint8Array,
  input: Uint8Array,
  memoryBytes: number,
): Promise<ProgramRun> {
  const limits = { fuel: FUEL, memoryBytes, outputBytes: OUTPUT_BYTES, wallTime: WALL_TIME }
  const execution = await executor.execute({ module, input, limits })
  const outcome = await execution.outcome
  if (outcome.kind !== 'completed' || outcome.result.trap !== null) {
    const seen = outcome.kind === 'completed' ? outcome.result.trap : JSON.stringify(outcome)
    throw new Error(`expected a result, received ${seen}`)
  }
  return { output: outcome.result.output, cpuTime: (await execution.usage()).cpuTime }
}

function describe({ name, c, ratios, fastest }: Row): string {
  const columns = [...ratios].map(([engine, values]) => {
    const spread =
      values.length > 1 ? ` (${Math.min(...values).toFixed(2)}–${Math.max(...values).toFixed(2)})` : ''
    return `${engine} ${median(values).toFixed(2)}${spread} fastest ${fastest.get(engine)?.toFixed(2)}`
  })
  return `  ${name.padEnd(20)} C ${c.toFixed(0).padStart(4)} ms  ${columns.join('  ')}`
}

function listed(means: Iterable<readonly [EngineName, number]>): string {
  return [...means].map(([engine, mean]) => `${engine} ${mean.toFixed(2)}`).join(', ')
}

function geometricMean(values: readonly number[]): number {
  return Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length)
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN
}

if (import.meta.main) {
  const [only = '', rounds = '5'] = process.argv.slice(2)
  const measure = await measureNativeRatio((text) => void process.stderr.write(`${text}\n`), {
    only,
    rounds: Number(rounds),
  })
  process.stdout.write(`${JSON.stringify(measure)}\n`)
}
