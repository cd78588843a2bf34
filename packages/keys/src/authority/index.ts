/**
 * A certificate authority for organisations: a root (in a token), an intermediate, and node certificates of 24 to 72
 * hours with capabilities. An entry of its own (`@askee/keys/authority`): most nodes never load it.
 */
export {
  type Authority,
  type AuthorityComponents,
  type AuthorityState,
  type CertificateRevocationReason,
  createAuthority,
  type RevokedCertificate,
  requestCertificate,
} from './authority.ts'
export { type Certificate, type IssueComponents, issueIntermediate, issueRoot } from './issue.ts'
export {
  CAPABILITIES,
  type Capability,
  MAX_NODE_HOURS,
  MIN_NODE_HOURS,
  NODE_REVOCATION_LIFE,
} from './names.ts'
export { fromPem, identityToPem, listToPem, toPem } from './pem.ts'
export { type CertificateSigner, openPkcs11Signer, openSoftwareSigner } from './signer.ts'
export {
  type CertificateErrorCode,
  type Trust,
  type VerifiedCertificate,
  verifyNodeCertificate,
} from './verify.ts'
