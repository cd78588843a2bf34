/** Fakes of the ports that `core` owns, and the suites that every adapter of them must pass. */
export * from './virtual-time.ts'
