import { AskeeError, type Digest, errorText } from '@askee/core'
import type { EngineDescription, Execution, ExecutionRequest, Executor } from './executor.ts'
import type { CompiledCacheInit } from './native/compiled-cache.ts'
import { createNativeExecutor } from './native/executor.ts'
import { locateNative, type NativeBinaries } from './native/locate.ts'
import { createPortableExecutor } from './portable/executor.ts'
import type { TaskExecutionComponents } from './task-execution.ts'
import { createHeldV8Executor } from './v8/executor.ts'

/**
 * - `best`: native when it is there and reaches the tier `contained`, else portable, with the reason in `describe()`
 * - `native`: native at whatever tier it reaches, told in `describe()`; `start` fails where it is missing
 * - `v8`: V8 under the warden when it is there and reaches the tier `contained`, else portable, with the reason: the second
 *   engine, as well contained as this machine can
 * - `portable`: V8 in a Node process, tier `process`
 */
export type ExecutorPolicy = 'best' | 'native' | 'v8' | 'portable'

/** Names the cgroup v2 group below which tasks are put, by an absolute path. What it must be: docs/containment.md. */
const CGROUP_VARIABLE = 'ASKEE_CGROUP'

export interface ChooseExecutorInit {
  readonly policy: ExecutorPolicy
  /** Below which cgroup v2 group tasks are put; default: what `ASKEE_CGROUP` says, else where this process is. */
  readonly cgroup?: string
  /** Of the native executor. */
  readonly cache?: CompiledCacheInit
  /** What `locateNative` says, unless told. */
  readonly native?: NativeBinaries | { readonly missing: string }
}

/** An executor that decides at its start which one it is. */
export function chooseExecutor(components: TaskExecutionComponents, init: ChooseExecutorInit): Executor {
  return new ChosenExecutor(components, init)
}

class ChosenExecutor implements Executor {
  readonly #components: TaskExecutionComponents
  readonly #init: ChooseExecutorInit
  #chosen: Executor | null = null
  #reason: string | null = null

  constructor(components: TaskExecutionComponents, init: ChooseExecutorInit) {
    this.#components = components
    this.#init = init
  }

  /** @throws AskeeError `sandbox/native-missing`, `sandbox/start` */
  async start(signal?: AbortSignal): Promise<void> {
    if (this.#chosen !== null) return
    const held = this.#init.policy === 'portable' ? 'portable was asked for' : await this.#startHeld(signal)
    if (typeof held !== 'string') {
      this.#chosen = held
      return
    }
    this.#reason = held
    const portable = createPortableExecutor(this.#components)
    await portable.start(signal)
    this.#chosen = portable
  }

  async stop(): Promise<void> {
    await this.#chosen?.stop()
    this.#chosen = null
  }

  describe(): EngineDescription {
    const description = (this.#chosen ?? createPortableExecutor(this.#components)).describe()
    const reason = this.#chosen === null ? 'it was not started yet' : this.#reason
    return reason === null ? description : { ...description, reason }
  }

  execute(request: ExecutionRequest): Promise<Execution> {
    if (this.#chosen === null) {
      return Promise.reject(new AskeeError('sandbox/stopped', 'expected a started executor'))
    }
    return this.#chosen.execute(request)
  }

  async forget(module: Digest): Promise<void> {
    await this.#chosen?.forget?.(module)
  }

  async keptBytes(module: Digest): Promise<number> {
    return (await this.#chosen?.keptBytes?.(module)) ?? 0
  }

  mostKeptBytes(): number {
    return this.#chosen?.mostKeptBytes?.() ?? 0
  }

  /** @returns the started executor under a warden, or why there is none; `native` goes without for no reason */
  async #startHeld(signal?: AbortSignal): Promise<Executor | string> {
    const { policy } = this.#init
    const binaries = this.#init.native ?? locateNative()
    if ('missing' in binaries) {
      if (policy !== 'native') return `native containment is missing: ${binaries.missing}`
      throw new AskeeError('sandbox/native-missing', `expected native containment: ${binaries.missing}`)
    }
    const held = this.#createHeld(binaries)
    try {
      await held.start(signal)
      return held
    } catch (error) {
      signal?.throwIfAborted()
      if (policy === 'native') throw error
      const reason = `native containment does not hold here: ${errorText(error)}`
      this.#components.logger.warn({ reason }, 'tasks run on the portable executor')
      return reason
    }
  }

  #createHeld(binaries: NativeBinaries): Executor {
    const { policy, cache, cgroup = process.env[CGROUP_VARIABLE] } = this.#init
    const below = cgroup === undefined ? {} : { cgroup }
    if (policy === 'v8') {
      return createHeldV8Executor(this.#components, { warden: binaries.warden, tier: 'contained', ...below })
    }
    return createNativeExecutor(this.#components, {
      binaries,
      tier: policy === 'best' ? 'contained' : 'process',
      ...(cache === undefined ? {} : { cache }),
      ...below,
    })
  }
}
