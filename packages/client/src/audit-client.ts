import {
  type AuditAcceptedView,
  type AuditAcceptRequest,
  type AuditEntriesView,
  type AuditExportRequest,
  type AuditProofView,
  type AuditVerificationView,
  auditAcceptedSchema,
  auditEntriesSchema,
  auditProofSchema,
  auditVerificationSchema,
  type ComplianceRequest,
  type ComplianceView,
  complianceSchema,
  type ErasedView,
  erasedSchema,
  type HeldView,
  heldSchema,
  type PurgedView,
  type PurgeRequest,
  purgedSchema,
  type ReceiptView,
  type ReleaseRequest,
  type RemovalsView,
  receiptSchema,
  removalsSchema,
  type SubjectRequest,
} from './audit-schema.ts'
import type { Call } from './consent-client.ts'

/** Which entries: the newest `limit` (default 100, at most 1,000) before `before`, of one subject or of all. */
export interface AuditPage {
  readonly about?: string
  readonly limit?: number
  readonly before?: number
}

/** The part of the control API that is about the audit log. */
export interface AuditClient {
  auditLog(page?: AuditPage): Promise<AuditEntriesView>
  verifyAudit(): Promise<AuditVerificationView>
  /** Takes the state as it is although alarms are open: a new log begins. @throws AskeeError `audit/nothing-to-accept` */
  acceptAudit(request: AuditAcceptRequest): Promise<AuditAcceptedView>
  /** @throws AskeeError `audit/range` */
  proveAudit(index: number): Promise<AuditProofView>
  /** A file for `verifyExport` of @askee/audit. @throws AskeeError `audit/export-range`, `audit/export-too-large` */
  exportAudit(request: AuditExportRequest): Promise<Uint8Array>
  /** @throws AskeeError `audit/unknown-profile` */
  auditCompliance(request: ComplianceRequest): Promise<ComplianceView>
  /** Deletes the contents that a profile does not let stay. @throws AskeeError `audit/unknown-profile` */
  purgeAudit(request: PurgeRequest): Promise<PurgedView>
  /** Which contents went by which act, oldest first. */
  auditRemovals(): Promise<RemovalsView>
  holdAudit(request: SubjectRequest): Promise<HeldView>
  /** Ends one hold; others on the same subject go on. @throws AskeeError `audit/not-held` */
  releaseAudit(request: ReleaseRequest): Promise<ReceiptView>
  /** @throws AskeeError `audit/legal-hold` */
  eraseAudit(request: SubjectRequest): Promise<ErasedView>
}

/** @param bytes a call whose answer is no JSON */
export function auditClient(
  call: Call,
  bytes: (path: string, body: unknown) => Promise<Uint8Array>,
): AuditClient {
  return {
    auditLog: (page = {}) => {
      const query = new URLSearchParams(
        Object.entries(page).map(([key, value]): [string, string] => [key, String(value)]),
      )
      return call(auditEntriesSchema, 'GET', `/v1/audit/entries?${query}`)
    },
    verifyAudit: () => call(auditVerificationSchema, 'POST', '/v1/audit/verify', {}),
    acceptAudit: (request) => call(auditAcceptedSchema, 'POST', '/v1/audit/beginnings', request),
    proveAudit: (index) => call(auditProofSchema, 'GET', `/v1/audit/entries/${index}/proof`),
    exportAudit: (request) => bytes('/v1/audit/exports', request),
    auditCompliance: (request) => call(complianceSchema, 'POST', '/v1/audit/compliance', request),
    purgeAudit: (request) => call(purgedSchema, 'POST', '/v1/audit/purge', request),
    auditRemovals: () => call(removalsSchema, 'GET', '/v1/audit/removals'),
    holdAudit: (request) => call(heldSchema, 'POST', '/v1/audit/holds', request),
    releaseAudit: (request) => call(receiptSchema, 'POST', '/v1/audit/releases', request),
    eraseAudit: (request) => call(erasedSchema, 'POST', '/v1/audit/erasures', request),
  }
}
