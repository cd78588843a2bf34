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

/**
 * The four functions of the task interface in the plainest way: on V8, not instrumented, without limits.
 * With `moveAfterEachStep` memory and exported globals are carried over to a fresh instance after every step.
 */
export function runBytes(
  bytes: Uint8Array,
  input: Uint8Array,
  options?: { readonly moveAfterEachStep: true },
): HostRun {
  const output: Uint8Array[] = []
  const log: string[] = []
  let task: TaskExports
  const slice = (pointer: number, length: number) => new Uint8Array(task.memory.buffer, pointer, length)
  const askee = {
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
  }
  const instantiate = () =>
    new WebAssembly.Instance(compile(bytes), { askee }).exports as unknown as TaskExports
  task = instantiate()
  let steps = 1
  for (; task.step() !== 0; steps++) if (options?.moveAfterEachStep) task = moved(task, instantiate())
  return { output: new Uint8Array(Buffer.concat(output)), log, steps }
}

function moved(from: TaskExports, to: TaskExports): TaskExports {
  const missing = from.memory.buffer.byteLength - to.memory.buffer.byteLength
  to.memory.grow(missing / 65_536)
  new Uint8Array(to.memory.buffer).set(new Uint8Array(from.memory.buffer))
  const [old, fresh] = [globalsOf(from), globalsOf(to)]
  for (const [name, global] of old) fresh.get(name)!.value = global.value
  return to
}

function globalsOf(task: TaskExports): Map<string, { value: number | bigint }> {
  const entries = Object.entries(task).filter(([name]) => name.startsWith('global:'))
  return new Map(entries as [string, { value: number | bigint }][])
}

const modules = new Map<string, WasmModule>()

/** Compiles each module once. */
export function compile(bytes: Uint8Array): WasmModule {
  const key = Buffer.from(bytes).toString('latin1')
  const module = modules.get(key) ?? new WebAssembly.Module(bytes)
  modules.set(key, module)
  return module
}
