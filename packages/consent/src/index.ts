/**
 * Floor 4: what a volunteer allowed, as a signed token that anyone can check offline, and the gate that every piece of
 * work must pass. Renewal, revocation and history belong to the full life cycle and are not here yet.
 */
export * from './gate.ts'
export { type ConsentGrant, grantConsent } from './grant.ts'
export {
  CONSENT_MIGRATIONS,
  type ConsentRegistry,
  type ConsentRegistryInit,
  createConsentRegistry,
} from './registry.ts'
export { checkScope } from './scope.ts'
export { consentText, textDigest } from './text.ts'
export {
  type ConsentClaims,
  type ConsentErrorCode,
  type ConsentPermissions,
  TASK_KINDS,
  type TaskKind,
} from './token.ts'
export { createTokenVerifier, type ExpectedConsent, verifyConsent } from './verify.ts'
