/**
 * Floor 8: the typed client of the agent's control API, for the command line and every other shell. The schemas are the
 * API's only description; the agent validates with the same ones.
 */
export type { AuditPage } from './audit-client.ts'
export * from './audit-schema.ts'
export { type ControlClient, createControlClient } from './client.ts'
export * from './consent-schema.ts'
export * from './keys-schema.ts'
export * from './schema.ts'
