import { readFile } from 'node:fs/promises'
import { AskeeError } from '@askee/core'

/**
 * The WebAssembly module of a workload, as compiled from `assembly/`.
 * @throws AskeeError `workloads/not-built` when there is no such module in `build/`
 */
export async function loadModule(moduleName: string): Promise<Uint8Array> {
  const url = new URL(`../build/${encodeURIComponent(moduleName)}.wasm`, import.meta.url)
  try {
    return new Uint8Array(await readFile(url))
  } catch (cause) {
    throw new AskeeError(
      'workloads/not-built',
      `expected the module ${moduleName} in the build folder of packages/workloads: run npm run build`,
      { moduleName },
      { cause },
    )
  }
}
