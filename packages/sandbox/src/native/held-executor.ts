import { AskeeError, type Digest, type Milliseconds } from '@askee/core'
import type {
  ContainmentTier,
  EngineDescription,
  Execution,
  ExecutionRequest,
  Executor,
} from '../executor.ts'
import { expectConfiguration } from '../hello.ts'
import { SparePool } from '../spare-pool.ts'
import type { TaskExecutionComponents } from '../task-execution.ts'
import { TaskLauncher } from '../task-launcher.ts'
import { basicPolicy, type PolicyInit, policyOf } from './policy.ts'
import type { WardenReport } from './warden-frames.ts'
import type { WardenProcess } from './warden-process.ts'
import { expectTier, startWarden } from './warden-start.ts'

/** What every executor under a warden can be told. */
export interface HeldExecutorInit {
  /** Less than this and `start` fails. Default `process`: `describe()` tells what was reached. */
  readonly tier?: ContainmentTier
  /** Below which cgroup v2 group tasks are put; default: where this process is. */
  readonly cgroup?: string
  /** Wardens with a runner kept started once a task has been executed. Default 1. */
  readonly spares?: number
  /** How long a spare waits for a task. Default 30 s. */
  readonly spareIdle?: Milliseconds
  /** How long warden and runner may take to be ready. Default 20 s: on a busy machine the lowest priority waits. */
  readonly startTimeout?: Milliseconds
  /** Memory a task's process may have beyond what belongs to the task. Bytes. */
  readonly overheadBytes?: number
}

/** What is held: an engine in a runner, as its warden is told of it. */
export interface HeldEngine {
  /** Of the executor. */
  readonly name: string
  readonly engine: EngineDescription['engine']
  /** In the words of docs/containment.md; what the warden enforces comes after them. */
  readonly layers: readonly string[]
  readonly overheadBytes: number
  /** Finds out what the engine's lines of POLICY are. Called once, at the start. */
  open(): Promise<readonly string[]>
  /** @throws AskeeError when HELLO is not that of this engine */
  versionOf(hello: string): string
  /** A task is about to run under the engine that said `hello`. */
  used(hello: string, request: ExecutionRequest): void
  /** Removes what is kept of a module. */
  forget?(module: Digest): Promise<void>
  /** As the executor's. */
  keptBytes?(module: Digest): Promise<number>
  mostKeptBytes?(): number
  close(): Promise<void>
}

interface Started {
  readonly launcher: TaskLauncher<WardenProcess>
  readonly report: WardenReport
  readonly engineVersion: string
}

/**
 * Runs tasks in an engine, each under a warden of its own (native-sandbox/). The tier is the one that the warden reported
 * at the start; a task that would get less is not run.
 */
export class HeldExecutor implements Executor {
  readonly #components: TaskExecutionComponents
  readonly #warden: string
  readonly #engine: HeldEngine
  readonly #init: HeldExecutorInit
  #started: Started | null = null

  /** @param warden path of the program */
  constructor(
    components: TaskExecutionComponents,
    warden: string,
    engine: HeldEngine,
    init: HeldExecutorInit,
  ) {
    this.#components = components
    this.#warden = warden
    this.#engine = engine
    this.#init = init
  }

  /** @throws AskeeError `sandbox/start`, `sandbox/tier`, `sandbox/policy` */
  async start(signal?: AbortSignal): Promise<void> {
    if (this.#started !== null) return
    const lines = await this.#engine.open()
    signal?.throwIfAborted()
    const { report, hello } = await this.#probe(lines)
    expectTier(report, this.#init.tier ?? 'process')
    signal?.throwIfAborted()
    const engineVersion = this.#engine.versionOf(hello)
    const launcher = this.#launcher(this.#policyInit(report.tier, lines), hello)
    this.#started = { launcher, report, engineVersion }
  }

  async stop(): Promise<void> {
    const started = this.#started
    this.#started = null
    await started?.launcher.close()
    if (started !== null) await this.#engine.close()
  }

  describe(): EngineDescription {
    const { report, engineVersion } = this.#started ?? { report: null, engineVersion: '' }
    const { name, engine, layers } = this.#engine
    const enforced = (report?.layers ?? []).filter((layer) => layer.state === 'enforced')
    return {
      name,
      engine,
      engineVersion,
      tier: report?.tier ?? 'process',
      layers: [
        'a process of its own for every task',
        ...layers,
        'wall time limit by the agent',
        ...enforced.map((layer) => (layer.detail === '' ? layer.name : `${layer.name} (${layer.detail})`)),
      ],
      report: report?.layers ?? [],
    }
  }

  execute(request: ExecutionRequest): Promise<Execution> {
    if (this.#started === null) {
      return Promise.reject(new AskeeError('sandbox/stopped', 'expected a started executor'))
    }
    return this.#started.launcher.execute(request)
  }

  async forget(module: Digest): Promise<void> {
    await this.#engine.forget?.(module)
  }

  async keptBytes(module: Digest): Promise<number> {
    return (await this.#engine.keptBytes?.(module)) ?? 0
  }

  mostKeptBytes(): number {
    return this.#engine.mostKeptBytes?.() ?? 0
  }

  /** Starts a warden and a runner as for a task and asks what is in force. */
  async #probe(lines: readonly string[]): Promise<{ report: WardenReport; hello: string }> {
    let hello = ''
    const { process, ready } = startWarden(this.#components.timers, {
      warden: this.#warden,
      // Less than a whole processor, so that what limits it is seen too.
      policy: `${basicPolicy(this.#policyInit('process', lines))}\ncpu-percent 50`,
      tier: 'process',
      startTimeout: this.#startTimeout(),
      acceptHello: (configuration) => {
        hello = configuration
      },
    })
    try {
      await ready
      return { report: await process.report, hello }
    } finally {
      await process.kill()
    }
  }

  #launcher(policyInit: PolicyInit, hello: string): TaskLauncher<WardenProcess> {
    const { timers } = this.#components
    const pool = new SparePool(timers, {
      launch: (policy) =>
        startWarden(timers, {
          warden: this.#warden,
          policy,
          tier: policyInit.tier,
          startTimeout: this.#startTimeout(),
          acceptHello: expectConfiguration(hello),
        }),
      spares: this.#init.spares ?? 1,
      spareIdle: this.#init.spareIdle ?? 30_000,
    })
    return new TaskLauncher(this.#components, {
      pool,
      kindOf: (request) => policyOf(policyInit, request),
      serve: (warden, request) => {
        this.#engine.used(hello, request)
        return warden
      },
    })
  }

  #policyInit(tier: ContainmentTier, engine: readonly string[]): PolicyInit {
    const { cgroup, overheadBytes = this.#engine.overheadBytes } = this.#init
    return { tier, engine, overheadBytes, ...(cgroup === undefined ? {} : { cgroup }) }
  }

  #startTimeout(): Milliseconds {
    return this.#init.startTimeout ?? 20_000
  }
}
