/**
 * Floor 7: replicated computation. A requester's node coordinates its own campaigns; volunteers' nodes work for those
 * they consented to help; every result is decided by a Byzantine vote after commit and reveal.
 */
export * from './api.ts'
export { type CoordinatorPolicy, DEFAULT_POLICY } from './coordinator/state.ts'
export {
  type Commitment,
  type Receipt,
  type Receipts,
  verifyCommitment,
  verifyReceipts,
} from './protocol/documents.ts'
export { KIND_DEADLINES, type Manifest, type SignedManifest, verifyManifest } from './protocol/manifest.ts'
export { PROTOCOLS } from './protocol/names.ts'
export { commitmentOf } from './protocol/result.ts'
export { CAMPAIGN_TOPIC, computeTopics } from './protocol/topic.ts'
export type { RequesterInit } from './requester/init.ts'
export { type ReputationSource, wilsonLowerBound } from './requester/reputation.ts'
export { createRequester, type RequesterComponents } from './requester/requester.ts'
export type { WorkerComponents } from './worker/components.ts'
export type { WorkerInit } from './worker/init.ts'
export { createWorker } from './worker/worker.ts'
