/**
 * Floor 2: running a task in a process of its own. The port is `Executor`; `createPortableExecutor` is its adapter
 * for every machine that has Node. Frames and checkpoints, which a native runner shares, are specified in FRAMES.md.
 */
export * from './executor.ts'
export {
  createPortableExecutor,
  type PortableExecutorComponents,
  type PortableExecutorInit,
} from './portable.ts'
