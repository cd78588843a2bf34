/**
 * For tests of whoever runs instrumented modules: a deterministic generator of valid modules, an encoder for
 * modules of one's own, a mutator that damages them, and a reference run in this process's V8.
 */
export type { Code } from './builder.ts'
export {
  call,
  f32Bits,
  f64Bits,
  flatten,
  get,
  globalGet,
  globalSet,
  i32,
  i64,
  ModuleBuilder,
  set,
  tee,
  type,
  u32,
} from './builder.ts'
export type { Engine, EngineExports, EngineGlobal, EngineMemory } from './engine.ts'
export { ENGINE } from './engine.ts'
export type { GenerateOptions } from './generate.ts'
export { generateModule } from './generate.ts'
export { mutate } from './mutate.ts'
export { Prng } from './prng.ts'
export type { RunResult } from './run-v8.ts'
export { runInV8 } from './run-v8.ts'
