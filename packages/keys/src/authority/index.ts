/**
 * A certificate authority for organisations: a root (in a token), an intermediate, and node certificates of 24 to 72
 * hours with capabilities. An entry of its own (`@askee/keys/authority`): most nodes never load it.
 */
export {
  type Authority,
  type AuthorityComponents,
  type AuthorityState,
  createAuthority,
  requestCertificate,
} from './authority.ts'
export { type Certificate, type IssueComponents, isSerialOf, issueIntermediate, issueRoot } from './issue.ts'
export {
  type CertificateRevocationReason,
  type RevocationList,
  type RevokedCertificate,
  readRevocationList,
} from './list.ts'
export {
  CAPABILITIES,
  type Capability,
  LIST_LIFE,
  MAX_NODE_HOURS,
  MAX_REVOKED,
  MIN_NODE_HOURS,
  NODE_REVOCATION_LIFE,
} from './names.ts'
export { fromPem, identityToPem, listToPem, toPem } from './pem.ts'
export { type CertificateSigner, openPkcs11Signer, openSoftwareSigner, type WantedKey } from './signer.ts'
export {
  type CertificateErrorCode,
  type Trust,
  type VerifiedCertificate,
  verifyNodeCertificate,
} from './verify.ts'
