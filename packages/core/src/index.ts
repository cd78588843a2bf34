/**
 * Floor 0: what every package stands on. Ids, bytes, canonical encoding, errors with codes, the ports to the
 * outside (time, entropy, timers, log, mesh, blocks) with their adapters for the real machine, and life cycle.
 */
export * from './adapters/pino-logger.ts'
export * from './adapters/system.ts'
export * from './bytes.ts'
export * from './codec.ts'
export * from './errors.ts'
export * from './ids.ts'
export * from './lifecycle.ts'
export * from './own-records.ts'
export * from './ports/audit.ts'
export * from './ports/blocks.ts'
export * from './ports/clock.ts'
export * from './ports/logger.ts'
export * from './ports/mesh.ts'
export * from './ports/random.ts'
export * from './ports/timers.ts'
