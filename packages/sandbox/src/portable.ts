import { fileURLToPath } from 'node:url'
import { AskeeError, errorText, type Milliseconds } from '@askee/core'
import { V8_STACK_KB } from '@askee/wasm'
import { openCheckpoint } from './checkpoint.ts'
import type {
  EngineDescription,
  Execution,
  ExecutionLimits,
  ExecutionRequest,
  Executor,
  FaultCode,
} from './executor.ts'
import { MAX_INPUT_BYTES, MAX_MODULE_BYTES, MAX_OUTPUT_BYTES } from './messages.ts'
import { readModuleShape } from './module-shape.ts'
import { failedExecution, PortableExecution, type PortableExecutionComponents } from './portable-execution.ts'
import { RunnerPool } from './runner-pool.ts'
import { probeWrapper, type Wrapper } from './wrapper.ts'

export type PortableExecutorComponents = PortableExecutionComponents

export interface PortableExecutorInit {
  /** Runners kept started once a task has been executed; each costs some 45 MB. Default 1. */
  readonly spares?: number
  /** How long a spare waits for a task. Default 30 s. */
  readonly spareIdle?: Milliseconds
  /** How long a runner may take to say HELLO. Default 10 s. */
  readonly startTimeout?: Milliseconds
  /** Resident memory a runner may have beyond memory, input and output of its task. Default 256 MiB. */
  readonly overheadBytes?: number
  /** 0 to 19; default 19: work gives way to the person's programs. */
  readonly niceness?: number
  /** More flags of V8, for tests of its compilers. */
  readonly v8Flags?: readonly string[]
  /** Linux tools in front of the runner; default: whatever this machine has. `none` shows what a machine without gets. */
  readonly wrapper?: 'probe' | 'none'
}

const CHILD = fileURLToPath(new URL('../child/', import.meta.url))
const MAX_MEMORY_BYTES = 65_536 * 65_536
/** Longest delay that timers of the system can take. */
const MAX_WALL_TIME = 2_147_483_647
const MAX_FUEL = 2n ** 63n - 1n
/** V8 counts its stack up to this; the thread needs some more for what is not V8. */
const STACK_MARGIN_KIB = 1024
const DEFAULT_THREAD_STACK_KIB = 8192
const REFILL_DELAY = 10
const NO_WRAPPER: Wrapper = { command: [], layers: [], tiesLife: false }

/**
 * Runs tasks in V8, each in a Node process of its own that has nothing but two pipes. The engine is the only wall
 * between a task and the files of the user it runs as: tier `process`.
 */
export function createPortableExecutor(
  components: PortableExecutorComponents,
  init: PortableExecutorInit = {},
): Executor {
  return new PortableExecutor(components, init)
}

interface Started {
  readonly pool: RunnerPool
  readonly wrapper: Wrapper
}

class PortableExecutor implements Executor {
  readonly #components: PortableExecutorComponents
  readonly #init: PortableExecutorInit
  #started: Started | null = null

  constructor(components: PortableExecutorComponents, init: PortableExecutorInit) {
    this.#components = components
    this.#init = init
  }

  async start(signal?: AbortSignal): Promise<void> {
    if (this.#started !== null) return
    const stackKiB = Math.max(DEFAULT_THREAD_STACK_KIB, V8_STACK_KB + STACK_MARGIN_KIB)
    const wrapper = this.#init.wrapper === 'none' ? NO_WRAPPER : await probeWrapper(stackKiB)
    signal?.throwIfAborted()
    const flags = runnerFlags(wrapper, this.#init.v8Flags ?? [])
    const script = wrapper.tiesLife ? [`${CHILD}main.cjs`] : [`${CHILD}main.cjs`, 'watch']
    const [file, ...args] = [...wrapper.command, process.execPath, ...flags, ...script]
    const pool = new RunnerPool(this.#components.timers, {
      command: { file: file!, args, niceness: this.#init.niceness ?? 19 },
      configuration: `v8 ${process.versions.v8} node ${process.versions.node} ${flags.join(' ')}`,
      spares: this.#init.spares ?? 1,
      spareIdle: this.#init.spareIdle ?? 30_000,
      startTimeout: this.#init.startTimeout ?? 10_000,
    })
    this.#started = { pool, wrapper }
  }

  async stop(): Promise<void> {
    const started = this.#started
    this.#started = null
    await started?.pool.close()
  }

  describe(): EngineDescription {
    return {
      name: 'portable',
      engine: 'v8',
      engineVersion: process.versions.v8,
      tier: 'process',
      layers: [
        'a process of its own for every task',
        'WebAssembly (V8) with four imported functions',
        'pipes only, empty environment',
        "Node's permission model (no protection against a broken engine)",
        'memory, wall time and output limits by the agent',
        ...(this.#started?.wrapper.layers ?? []),
      ],
    }
  }

  async execute(request: ExecutionRequest): Promise<Execution> {
    const pool = this.#runningPool()
    checkLimits(request.limits)
    if (request.input.byteLength > MAX_INPUT_BYTES) {
      throw outOfRange('input', request.input.byteLength, 0, MAX_INPUT_BYTES)
    }
    const prepared = prepare(request)
    if ('code' in prepared) return failedExecution(prepared.code, prepared.message)
    try {
      const runner = await pool.acquire()
      const execution = new PortableExecution(this.#components, {
        ...prepared,
        runner,
        request,
        processBytes: this.#processBytes(request),
      })
      execution.begin()
      if (this.#started?.pool === pool) this.#refillAfter(execution, pool)
      else await execution.kill('the executor was stopped')
      return execution
    } catch (error) {
      return failedExecution('fault/start', errorText(error))
    }
  }

  #runningPool(): RunnerPool {
    if (this.#started === null) throw new AskeeError('sandbox/stopped', 'expected a started executor')
    return this.#started.pool
  }

  /** Starting a process holds this thread for some milliseconds: the task and who waits for it go first. */
  #refillAfter(execution: Execution, pool: RunnerPool): void {
    const { timers } = this.#components
    const refill = () => {
      cancel()
      if (this.#started?.pool === pool) pool.refill()
    }
    const cancel = timers.after(REFILL_DELAY, refill)
    void execution.outcome.then(() => timers.after(0, refill))
  }

  #processBytes(request: ExecutionRequest): number {
    const { memoryBytes, outputBytes } = request.limits
    const overhead = this.#init.overheadBytes ?? 256 * 1024 * 1024
    // Output grows by doubling: for a moment there are two of it.
    const state = request.resumeFrom?.byteLength ?? 0
    return overhead + memoryBytes + request.input.byteLength + 2 * outputBytes + state
  }
}

type Prepared = Pick<ConstructorParameters<typeof PortableExecution>[1], 'shape' | 'bounds' | 'state'>

function prepare(request: ExecutionRequest): Prepared | { code: FaultCode; message: string } {
  const { module, input, limits, resumeFrom } = request
  try {
    if (module.byteLength > MAX_MODULE_BYTES) {
      throw new AskeeError('sandbox/module', `expected a module of at most ${MAX_MODULE_BYTES} bytes`)
    }
    const shape = readModuleShape(module)
    if (shape.maximumMemoryBytes > limits.memoryBytes) {
      const text = `expected a memory of at most ${limits.memoryBytes} bytes, declared ${shape.maximumMemoryBytes}`
      throw new AskeeError('sandbox/module', text)
    }
    const bounds = { ...shape, fuel: limits.fuel, outputBytes: limits.outputBytes }
    if (resumeFrom === undefined) return { shape, bounds, state: null }
    if (shape.entry !== 'step') {
      throw new AskeeError('sandbox/checkpoint', 'bad checkpoint: a module with run() has none')
    }
    return { shape, bounds, state: openCheckpoint(resumeFrom, module, input, bounds) }
  } catch (error) {
    if (!(error instanceof AskeeError)) throw error
    const code = error.code === 'sandbox/checkpoint' ? 'fault/bad-checkpoint' : 'fault/module'
    return { code, message: error.message }
  }
}

function runnerFlags(wrapper: Wrapper, v8Flags: readonly string[]): string[] {
  return [
    '--no-warnings',
    '--disable-proto=delete',
    '--max-old-space-size=64',
    `--stack-size=${V8_STACK_KB}`,
    '--permission',
    `--allow-fs-read=${CHILD}*`,
    ...(wrapper.tiesLife ? [] : ['--allow-worker']),
    ...v8Flags,
  ]
}

function checkLimits(limits: ExecutionLimits): void {
  const { fuel, memoryBytes, outputBytes, wallTime } = limits
  if (fuel < 1n || fuel > MAX_FUEL) throw outOfRange('fuel', fuel, 1, MAX_FUEL)
  expectInteger('memoryBytes', memoryBytes, 0, MAX_MEMORY_BYTES)
  expectInteger('outputBytes', outputBytes, 0, MAX_OUTPUT_BYTES)
  expectInteger('wallTime', Math.ceil(wallTime), 1, MAX_WALL_TIME)
}

function expectInteger(name: string, value: number, least: number, most: number): void {
  if (!Number.isInteger(value) || value < least || value > most) throw outOfRange(name, value, least, most)
}

function outOfRange(name: string, value: number | bigint, least: number, most: number | bigint): AskeeError {
  return new AskeeError('sandbox/limits', `expected ${name} between ${least} and ${most}, received ${value}`)
}
