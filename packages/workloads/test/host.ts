import { loadModule } from '../src/index.ts'
import { type TaskExports, type WasmModule, WebAssembly } from './webassembly.ts'

export interface HostRun {
  readonly output: Uint8Array
  readonly log: readonly string[]
  /** Calls of `step`. */
  readonly steps: number
}

/** Runs a workload's module from its first step to its last. */
export async function runModule(moduleName: string, input: Uint8Array): Promise<HostRun> {
  return runBytes(await loadModule(moduleName), input)
}

/** The four functions of the task interface in the plainest way: on V8, not instrumented, without limits. */
export function runBytes(bytes: Uint8Array, input: Uint8Array): HostRun {
  const output: Uint8Array[] = []
  const log: string[] = []
  const slice = (pointer: number, length: number) => new Uint8Array(task.memory.buffer, pointer, length)
  const instance = new WebAssembly.Instance(compile(bytes), {
    askee: {
      input_size: () => input.length,
      input_read: (pointer = 0, offset = 0, length = 0) => {
        const part = input.subarray(offset, offset + length)
        slice(pointer, length).set(part)
        return part.length
      },
      output_write: (pointer = 0, length = 0) => {
        output.push(slice(pointer, length).slice())
        return undefined
      },
      log: (pointer = 0, length = 0) => {
        log.push(new TextDecoder().decode(slice(pointer, length)))
        return undefined
      },
    },
  })
  const task = instance.exports as unknown as TaskExports
  let steps = 1
  while (task.step() !== 0) steps++
  return { output: new Uint8Array(Buffer.concat(output)), log, steps }
}

const modules = new Map<string, WasmModule>()

/** Compiles each module once. */
export function compile(bytes: Uint8Array): WasmModule {
  const key = Buffer.from(bytes).toString('latin1')
  const module = modules.get(key) ?? new WebAssembly.Module(bytes)
  modules.set(key, module)
  return module
}
