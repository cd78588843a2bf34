import { type Code, ModuleBuilder } from '../../src/testing/index.ts'

/** A task whose run() is `code`. */
export function task(code: Code, locals: readonly number[] = []): Uint8Array {
  const builder = new ModuleBuilder().memory(1, 2).exportMemory()
  return builder.exportFunction('run', builder.func([], [], locals, code)).bytes()
}
