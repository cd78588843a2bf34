/**
 * Floor 3: the tamper-evident log of a node. A Merkle tree (RFC 6962) over entries that commit to their content; the
 * content itself is sealed for its subject and can be forgotten while the tree stays whole.
 */
export {
  type Checkpoint,
  type Cosignature,
  cosign,
  type NoteSigner,
  openCheckpoint,
  type SignedCheckpoint,
  signCheckpoint,
} from './checkpoint.ts'
export { type CheckedLog, type ComplianceFinding, checkCompliance } from './compliance/check.ts'
export { countHolds } from './compliance/holds.ts'
export {
  type ComplianceProfile,
  parseProfile,
  type Region,
  type RetentionRule,
  regionSchema,
} from './compliance/profile.ts'
export { PROFILES } from './compliance/profiles.ts'
export {
  createRetention,
  type Held,
  type Purged,
  type Retention,
  type RetentionComponents,
} from './compliance/retention.ts'
export { type LogEntry, parseEntry } from './entry.ts'
export {
  createExporter,
  type Exporter,
  type ExporterComponents,
  type ExportOrder,
} from './export/exporter.ts'
export { type Exported, MAX_EXPORT_BYTES } from './export/format.ts'
export {
  type ExportedEntry,
  type ExportedRemoval,
  type VerifiedExport,
  verifyExport,
} from './export/verify-export.ts'
export {
  type AuditLog,
  type AuditLogComponents,
  type AuditLogInit,
  createAuditLog,
  type InclusionProof,
  type ReadEntry,
} from './log.ts'
export { type Hash, leafHash, verifyConsistency, verifyInclusion } from './merkle.ts'
export type { Alarm, AlarmCode } from './own/alarms.ts'
export { type Beginning, type FormerLog, openBeginning } from './own/beginning.ts'
export { type Beginnings, type BeginningsComponents, openBeginnings } from './own/beginnings.ts'
export {
  createStanding,
  type Standing,
  type StandingComponents,
} from './own/standing.ts'
export { listRemovals, type RemovalSummary } from './removals/list.ts'
export { AUDIT_MIGRATIONS } from './schema.ts'
export { type Finding, type Verification, verifyLog } from './verification.ts'
export {
  type Checkpointing,
  type CheckpointingComponents,
  type CheckpointingInit,
  createCheckpointing,
} from './witness/checkpointing.ts'
export { type Evidence, evidenceDigest, openEvidence } from './witness/evidence.ts'
export {
  createEvidenceBook,
  type EvidenceBook,
  type EvidenceBookComponents,
  type KeptEvidence,
} from './witness/evidence-book.ts'
export {
  createEvidenceExchange,
  type EvidenceExchangeComponents,
} from './witness/evidence-exchange.ts'
export {
  type Answers,
  createInquiry,
  type Inquiry,
  type InquiryComponents,
  type KeptNotes,
} from './witness/inquiry.ts'
export { WITNESS_MIGRATIONS } from './witness/migrations.ts'
export { createWitness, type Witness, type WitnessComponents, type WitnessInit } from './witness/witness.ts'
