import { type Digest, digestOf } from '@askee/core'
import { instrumentInThread } from '@askee/wasm'
import { Budget } from '../budget.ts'
import { MAX_MODULE_BYTES } from '../protocol/names.ts'
import type { GatedWork, Permit } from './gated-work.ts'
import { LruCache } from './lru-cache.ts'

/** A module that passed admission, and its digest. */
export interface InstrumentedModule {
  readonly bytes: Uint8Array
  readonly digest: Digest
}

/** Modules that are instrumented at once: each may take a thread and much memory. */
const PASSES = 1

/**
 * The modules of tasks, fetched and instrumented, under each consent apart: what one fetches and keeps is not another's, nor
 * is its end, and none waits for what another fetches.
 */
export class Modules {
  readonly #gated: GatedWork
  readonly #kept: LruCache<string, InstrumentedModule>
  readonly #passes = new Budget(PASSES)

  /** @param most modules kept, and their bytes together */
  constructor(gated: GatedWork, most: { readonly modules: number; readonly moduleBytes: number }) {
    this.#gated = gated
    this.#kept = new LruCache(
      { capacity: most.modules, maxWeight: most.moduleBytes },
      ({ bytes }) => bytes.byteLength,
    )
  }

  /**
   * Fetched once for all tasks that want it, as long as one of them does.
   * @param signal of the task
   * @throws AskeeError `consent/*`, `mesh/*`, `wasm/*`, `fault/*`, or the signal's reason
   */
  get(permit: Permit, signal: AbortSignal): Promise<InstrumentedModule> {
    const { module, resources } = permit.manifest
    // The pass lowers the declared memory to the campaign's limit, so the same module differs between limits.
    const key = `${permit.consent}/${module}/${resources.memoryBytes}`
    return this.#kept.get(key, signal, (wanted) => this.#make(permit, wanted))
  }

  /** Forgets those that no task waits for. */
  clear(): void {
    this.#kept.clear()
  }

  async #make(permit: Permit, signal: AbortSignal): Promise<InstrumentedModule> {
    const { module, resources } = permit.manifest
    const fetched = await this.#gated.fetch(permit, module, { maxBytes: MAX_MODULE_BYTES, signal })
    const options = { abi: 'askee', maxMemoryBytes: resources.memoryBytes } as const
    // A fetch takes as long as a requester wants: only what this machine does is done in turn.
    const pass = () => instrumentInThread(fetched, options, signal)
    const { bytes } = await this.#passes.use(1, pass, signal)
    return { bytes, digest: digestOf(bytes) }
  }
}
