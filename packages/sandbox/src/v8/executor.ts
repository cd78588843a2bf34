import { access, realpath } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { AskeeError } from '@askee/core'
import type { Executor } from '../executor.ts'
import { type HeldEngine, HeldExecutor, type HeldExecutorInit } from '../native/held-executor.ts'
import type { TaskExecutionComponents } from '../task-execution.ts'
import { CHILD, heldFlags, runnerConfiguration } from './flags.ts'
import { v8PolicyLines } from './policy.ts'

/** `spares` cost some 45 MB each, `overheadBytes` is 256 MiB unless told. */
export interface HeldV8ExecutorInit extends HeldExecutorInit {
  /** Path of the warden; the library that seals the runner lies beside it. */
  readonly warden: string
  /** More flags of V8, for tests of its compilers. */
  readonly v8Flags?: readonly string[]
}

const SEAL = 'libaskee_seal.so'

/**
 * Runs tasks in V8, each in a Node process under a warden of its own: the second engine, as well contained as Node can be.
 * What holds less than around wasmtime is missing in `describe().report`. Linux only.
 */
export function createHeldV8Executor(
  components: TaskExecutionComponents,
  init: HeldV8ExecutorInit,
): Executor {
  return new HeldExecutor(components, init.warden, new HeldV8(init), init)
}

class HeldV8 implements HeldEngine {
  readonly name = 'v8'
  readonly engine = 'v8'
  readonly layers = [
    'WebAssembly (V8) with four imported functions',
    "Node's permission model (no protection against a broken engine)",
  ]
  readonly overheadBytes = 256 * 1024 * 1024
  readonly #init: HeldV8ExecutorInit
  readonly #flags: readonly string[]

  constructor(init: HeldV8ExecutorInit) {
    this.#init = init
    this.#flags = heldFlags(init.v8Flags ?? [])
  }

  async open(): Promise<readonly string[]> {
    const seal = join(dirname(this.#init.warden), SEAL)
    await access(seal).catch(() => {
      throw new AskeeError(
        'sandbox/native-missing',
        `expected ${seal}: node scripts/build-native.ts makes it`,
      )
    })
    const program = await realpath(process.execPath)
    return v8PolicyLines({ program, child: CHILD, seal, flags: this.#flags })
  }

  versionOf(hello: string): string {
    const expected = runnerConfiguration(this.#flags)
    if (hello === expected) return process.versions.v8
    throw new AskeeError('sandbox/start', `expected "${expected}", received "${hello}"`)
  }

  used(): void {
    // Nothing is kept between tasks.
  }

  async close(): Promise<void> {
    // Nothing is open between tasks.
  }
}
