/**
 * Floor 4: what a volunteer allowed, from the question to its end. Tokens that anyone can check offline, the machine of the
 * life cycle, revocation that reaches the mesh, the history, and the gate that every piece of work must pass.
 */
export type { ConsentErrorCode } from './errors.ts'
export * from './gate.ts'
export type { ConsentHistory, HistoryAct, HistoryEntry } from './life/history.ts'
export { type ConsentHoldings, createConsentHoldings, type Erased } from './life/holdings.ts'
export {
  type ConsentManifest,
  type ManifestDraft,
  signConsentManifest,
  verifyConsentManifest,
} from './life/manifest.ts'
export { CONSENT_MIGRATIONS } from './life/migrations.ts'
export {
  type ConsentEntry,
  type ConsentRegistry,
  type ConsentRegistryInit,
  type ConsentReview,
  createConsentRegistry,
  type OwnRevocation,
  type RegistryComponents,
} from './life/registry.ts'
export type { ConsentAction, ConsentEffect, ConsentPhase, ConsentState } from './life/state.ts'
export { textDigest } from './life/text.ts'
export { type ConsentChoices, differences, meet, type TermDifference } from './meet.ts'
export { createRevocationBook, type RevocationBook } from './revocation/book.ts'
export {
  createRevocationExchange,
  type ExchangeComponents,
  type ExchangeInit,
  type RevocationExchange,
} from './revocation/exchange.ts'
export {
  createRevocationLookup,
  type LookupComponents,
  type RevocationLookup,
  type RevocationSource,
} from './revocation/lookup.ts'
export { CONSENT_PROTOCOLS, consentTopics, REVOCATION_TOPIC } from './revocation/topic.ts'
export { createTokenVerifier, type StatusSource, type VerifierComponents } from './revocation/verifier.ts'
export {
  type ConsentPermissions,
  type ConsentTerms,
  DATA_CATEGORIES,
  type DataCategory,
  TASK_KINDS,
  type TaskKind,
} from './terms.ts'
export type { ConsentClaims } from './token/claims.ts'
export { attenuateConsent, type ConsentGrant, grantConsent, type SignedConsent } from './token/grant.ts'
export { checkScope } from './token/scope.ts'
export { type ExpectedConsent, inspectToken, type VerifiedConsent, verifyConsent } from './token/verify.ts'
