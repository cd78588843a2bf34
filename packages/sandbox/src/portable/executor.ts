import { AskeeError, type Milliseconds } from '@askee/core'
import { V8_STACK_KB } from '@askee/wasm'
import type { EngineDescription, Execution, ExecutionRequest, Executor, LayerReport } from '../executor.ts'
import { SparePool } from '../spare-pool.ts'
import type { TaskExecutionComponents } from '../task-execution.ts'
import { TaskLauncher } from '../task-launcher.ts'
import { CHILD, runnerConfiguration, runnerFlags } from '../v8/flags.ts'
import { PortableProcess } from './portable-process.ts'
import type { RunnerProcess } from './runner-process.ts'
import { startRunner } from './runner-start.ts'
import { probeWrapper, type Wrapper } from './wrapper.ts'

export type PortableExecutorComponents = TaskExecutionComponents

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

/** V8 counts its stack up to this; the thread needs some more for what is not V8. */
const STACK_MARGIN_KIB = 1024
const DEFAULT_THREAD_STACK_KIB = 8192
const NO_WRAPPER: Wrapper = { command: [], layers: [], tiesLife: false }
/** What only the native executor has. */
const MISSING: readonly LayerReport[] = [
  missing(
    'kernel isolation',
    'no namespaces, empty root, Landlock or system call filter: the engine is the only wall',
  ),
  missing(
    'processor share',
    'cpuPercent is not enforced: nothing here can; the task has the lowest priority',
  ),
]

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
  readonly launcher: TaskLauncher<RunnerProcess>
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
    this.#started = { launcher: this.#launcher(wrapper), wrapper }
  }

  async stop(): Promise<void> {
    const started = this.#started
    this.#started = null
    await started?.launcher.close()
  }

  describe(): EngineDescription {
    const layers = [
      'a process of its own for every task',
      'WebAssembly (V8) with four imported functions',
      'pipes only, empty environment',
      "Node's permission model (no protection against a broken engine)",
      'memory, wall time and output limits by the agent',
      ...(this.#started?.wrapper.layers ?? []),
    ]
    return {
      name: 'portable',
      engine: 'v8',
      engineVersion: process.versions.v8,
      tier: 'process',
      layers: [...layers, 'no limit of the processor share (cpuPercent is ignored), lowest priority instead'],
      report: [...layers.map((name): LayerReport => ({ name, state: 'enforced', detail: '' })), ...MISSING],
    }
  }

  execute(request: ExecutionRequest): Promise<Execution> {
    if (this.#started === null) return Promise.reject(stopped())
    return this.#started.launcher.execute(request)
  }

  #launcher(wrapper: Wrapper): TaskLauncher<RunnerProcess> {
    const { timers } = this.#components
    const worker = wrapper.tiesLife ? [] : ['--allow-worker']
    const flags = runnerFlags(CHILD, [...worker, ...(this.#init.v8Flags ?? [])])
    const script = wrapper.tiesLife ? [`${CHILD}main.cjs`] : [`${CHILD}main.cjs`, 'watch']
    const [file, ...args] = [...wrapper.command, process.execPath, ...flags, ...script]
    const command = { file: file!, args, niceness: this.#init.niceness ?? 19 }
    const configuration = runnerConfiguration(flags)
    const startTimeout = this.#init.startTimeout ?? 10_000
    const pool = new SparePool(timers, {
      launch: () => startRunner(timers, { command, configuration, startTimeout }),
      spares: this.#init.spares ?? 1,
      spareIdle: this.#init.spareIdle ?? 30_000,
    })
    return new TaskLauncher(this.#components, {
      pool,
      kindOf: () => '',
      serve: (runner, request) => new PortableProcess(timers, runner, this.#processBytes(request)),
    })
  }

  #processBytes(request: ExecutionRequest): number {
    const { memoryBytes, outputBytes, processBytes = Number.POSITIVE_INFINITY } = request.limits
    const overhead = this.#init.overheadBytes ?? 256 * 1024 * 1024
    // Output grows by doubling: for a moment there are two of it.
    const state = request.resumeFrom?.byteLength ?? 0
    const need = overhead + memoryBytes + request.input.byteLength + 2 * outputBytes + state
    return Math.min(need, processBytes)
  }
}

function missing(name: string, detail: string): LayerReport {
  return { name, state: 'missing', detail }
}

function stopped(): AskeeError {
  return new AskeeError('sandbox/stopped', 'expected a started executor')
}
