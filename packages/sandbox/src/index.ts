/** Floor 2: running a task in a process of its own. The port is `Executor`; its adapters stand beside it. */
export * from './executor.ts'
