/** The suite that every adapter of the Executor port must pass, and the small tasks it is made of. */

export { countdown } from './acceptance-stepwise.ts'
export { executorAcceptance, type MakeExecutor } from './executor-acceptance.ts'
export * from './run.ts'
export * from './trap-cases.ts'
export * from './wat.ts'
