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
  type Purged,
  type Retention,
  type RetentionComponents,
} from './compliance/retention.ts'
export type { LogEntry } from './entry.ts'
export {
  createExporter,
  type Exporter,
  type ExporterComponents,
  type ExportOrder,
} from './export/exporter.ts'
export { type Exported, MAX_EXPORT_BYTES } from './export/format.ts'
export { type ExportedEntry, type VerifiedExport, verifyExport } from './export/verify-export.ts'
export {
  type AuditLog,
  type AuditLogComponents,
  type AuditLogInit,
  createAuditLog,
  type InclusionProof,
  type ReadEntry,
} from './log.ts'
export { type Hash, leafHash, verifyConsistency, verifyInclusion } from './merkle.ts'
export { AUDIT_MIGRATIONS } from './schema.ts'
export { type Finding, type Verification, verifyLog } from './verification.ts'
export {
  type Alarm,
  type Checkpointing,
  type CheckpointingComponents,
  type CheckpointingInit,
  createCheckpointing,
} from './witness/checkpointing.ts'
export { type KeptNote, notesOfWitnesses } from './witness/kept-notes.ts'
export {
  type Contradiction,
  createWitness,
  WITNESS_MIGRATIONS,
  type Witness,
  type WitnessComponents,
} from './witness/witness.ts'
