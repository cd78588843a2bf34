/**
 * Floor 2: running a task in a process of its own. The port is `Executor`; its adapters are `createNativeExecutor`
 * (wasmtime under the warden of native-sandbox/), `createHeldV8Executor` (V8 in Node under the same warden) and
 * `createPortableExecutor` (V8, on every machine that has Node); `chooseExecutor` takes the stronger one that this machine has.
 * Frames and checkpoints, which all share, are specified in FRAMES.md.
 */
export { type ChooseExecutorInit, chooseExecutor, type ExecutorPolicy } from './choose.ts'
export * from './executor.ts'
export type { CompiledCacheInit } from './native/compiled-cache.ts'
export {
  createNativeExecutor,
  type NativeExecutorComponents,
  type NativeExecutorInit,
} from './native/executor.ts'
export { locateNative, type NativeBinaries } from './native/locate.ts'
export {
  createPortableExecutor,
  type PortableExecutorComponents,
  type PortableExecutorInit,
} from './portable/executor.ts'
export { holdsProcessorShare } from './processor-hold.ts'
export { createHeldV8Executor, type HeldV8ExecutorInit } from './v8/executor.ts'
