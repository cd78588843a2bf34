import { AskeeError, type Digest } from '@askee/core'
import type { ExecutionRequest, Executor } from '../executor.ts'
import type { TaskExecutionComponents } from '../task-execution.ts'
import { CompiledCache, type CompiledCacheInit, MOST_KEPT_BYTES } from './compiled-cache.ts'
import { type HeldEngine, HeldExecutor, type HeldExecutorInit } from './held-executor.ts'
import type { NativeBinaries } from './locate.ts'

export type NativeExecutorComponents = TaskExecutionComponents

/** `spares` cost some 10 MB each, `overheadBytes` is 64 MiB unless told. */
export interface NativeExecutorInit extends HeldExecutorInit {
  readonly binaries: NativeBinaries
  /** Compiled modules are kept there; without it every task compiles. */
  readonly cache?: CompiledCacheInit
}

/** Runs tasks in wasmtime, each under a warden of its own. */
export function createNativeExecutor(
  components: NativeExecutorComponents,
  init: NativeExecutorInit,
): Executor {
  const cache = init.cache === undefined ? null : new CompiledCache(components.clock, init.cache)
  const engine = new HeldWasmtime(init.binaries.runner, cache, init.cache)
  return new HeldExecutor(components, init.binaries.warden, engine, init)
}

class HeldWasmtime implements HeldEngine {
  readonly name = 'native'
  readonly engine = 'wasmtime'
  readonly layers = ['WebAssembly (wasmtime) with four imported functions']
  readonly overheadBytes = 64 * 1024 * 1024
  readonly #cache: CompiledCache | null
  readonly #lines: readonly string[]
  #hello = ''

  constructor(runner: string, cache: CompiledCache | null, init: CompiledCacheInit | undefined) {
    this.#cache = cache
    const key = init === undefined ? '' : Buffer.from(init.key).toString('hex')
    const kept = init === undefined ? [] : [`cache-directory ${init.directory}`, `cache-key ${key}`]
    this.#lines = [`runner ${runner}`, ...kept]
  }

  async open(): Promise<readonly string[]> {
    await this.#cache?.open()
    return this.#lines
  }

  versionOf(hello: string): string {
    const version = /^wasmtime (\S+)/.exec(hello)?.[1]
    this.#hello = hello
    if (version !== undefined) return version
    throw new AskeeError('sandbox/start', `expected wasmtime, received "${hello}"`)
  }

  used(hello: string, { module }: ExecutionRequest): void {
    this.#cache?.used(hello, module)
  }

  async forget(module: Digest): Promise<void> {
    await this.#cache?.forget(this.#hello, module)
  }

  async keptBytes(module: Digest): Promise<number> {
    return (await this.#cache?.bytesOf(this.#hello, module)) ?? 0
  }

  mostKeptBytes(): number {
    return this.#cache === null ? 0 : MOST_KEPT_BYTES
  }

  async close(): Promise<void> {
    await this.#cache?.close()
  }
}
