import { AskeeError, type Milliseconds } from '@askee/core'
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
import { CompiledCache, type CompiledCacheInit } from './compiled-cache.ts'
import type { NativeBinaries } from './locate.ts'
import { basicPolicy, type PolicyInit, policyOf } from './policy.ts'
import type { WardenReport } from './warden-frames.ts'
import type { WardenProcess } from './warden-process.ts'
import { expectTier, startWarden } from './warden-start.ts'

export type NativeExecutorComponents = TaskExecutionComponents

export interface NativeExecutorInit {
  readonly binaries: NativeBinaries
  /** Less than this and `start` fails. Default `process`: `describe()` tells what was reached. */
  readonly tier?: ContainmentTier
  /** Compiled modules are kept there; without it every task compiles. */
  readonly cache?: CompiledCacheInit
  /** Below which cgroup v2 group tasks are put; default: where this process is. */
  readonly cgroup?: string
  /** Wardens with a runner kept started once a task has been executed; some 10 MB each. Default 1. */
  readonly spares?: number
  /** How long a spare waits for a task. Default 30 s. */
  readonly spareIdle?: Milliseconds
  /** How long warden and runner may take to be ready. Default 20 s: on a busy machine the lowest priority waits. */
  readonly startTimeout?: Milliseconds
  /** Memory a task's process may have beyond what belongs to the task. Default 64 MiB. */
  readonly overheadBytes?: number
}

interface Started {
  readonly launcher: TaskLauncher<WardenProcess>
  readonly report: WardenReport
  readonly engineVersion: string
  readonly cache: CompiledCache | null
}

const DEFAULT_OVERHEAD_BYTES = 64 * 1024 * 1024

/**
 * Runs tasks in wasmtime, each under a warden of its own (native-sandbox/). The tier is the one that the warden reported
 * at the start; a task that would get less is not run.
 */
export function createNativeExecutor(
  components: NativeExecutorComponents,
  init: NativeExecutorInit,
): Executor {
  return new NativeExecutor(components, init)
}

class NativeExecutor implements Executor {
  readonly #components: NativeExecutorComponents
  readonly #init: NativeExecutorInit
  #started: Started | null = null

  constructor(components: NativeExecutorComponents, init: NativeExecutorInit) {
    this.#components = components
    this.#init = init
  }

  /** @throws AskeeError `sandbox/start`, `sandbox/tier`, `sandbox/policy` */
  async start(signal?: AbortSignal): Promise<void> {
    if (this.#started !== null) return
    const cache =
      this.#init.cache === undefined ? null : new CompiledCache(this.#components.clock, this.#init.cache)
    await cache?.open()
    signal?.throwIfAborted()
    const { report, hello } = await this.#probe()
    expectTier(report, this.#init.tier ?? 'process')
    signal?.throwIfAborted()
    const engineVersion = /^wasmtime (\S+)/.exec(hello)?.[1]
    if (engineVersion === undefined)
      throw new AskeeError('sandbox/start', `expected wasmtime, received "${hello}"`)
    this.#started = { launcher: this.#launcher(report.tier, hello, cache), report, engineVersion, cache }
  }

  async stop(): Promise<void> {
    const started = this.#started
    this.#started = null
    await started?.launcher.close()
    await started?.cache?.close()
  }

  describe(): EngineDescription {
    const { report, engineVersion } = this.#started ?? { report: null, engineVersion: '' }
    const enforced = (report?.layers ?? []).filter((layer) => layer.state === 'enforced')
    return {
      name: 'native',
      engine: 'wasmtime',
      engineVersion,
      tier: report?.tier ?? 'process',
      layers: [
        'a process of its own for every task',
        'WebAssembly (wasmtime) with four imported functions',
        'wall time limit by the agent',
        ...enforced.map(({ name, detail }) => (detail === '' ? name : `${name} (${detail})`)),
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

  /** Starts a warden and a runner as for a task and asks what is in force. */
  async #probe(): Promise<{ report: WardenReport; hello: string }> {
    let hello = ''
    const { process, ready } = startWarden(this.#components.timers, {
      warden: this.#init.binaries.warden,
      // Less than a whole processor, so that what limits it is seen too.
      policy: `${basicPolicy(this.#policyInit('process'))}\ncpu-percent 50`,
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

  #launcher(tier: ContainmentTier, hello: string, cache: CompiledCache | null): TaskLauncher<WardenProcess> {
    const { timers } = this.#components
    const policyInit = this.#policyInit(tier)
    const pool = new SparePool(timers, {
      launch: (policy) =>
        startWarden(timers, {
          warden: this.#init.binaries.warden,
          policy,
          tier,
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
        cache?.used(hello, request.module)
        return warden
      },
    })
  }

  #policyInit(tier: ContainmentTier): PolicyInit {
    const { binaries, cgroup, cache, overheadBytes = DEFAULT_OVERHEAD_BYTES } = this.#init
    return {
      tier,
      runner: binaries.runner,
      overheadBytes,
      ...(cgroup === undefined ? {} : { cgroup }),
      ...(cache === undefined ? {} : { cache }),
    }
  }

  #startTimeout(): Milliseconds {
    return this.#init.startTimeout ?? 20_000
  }
}
