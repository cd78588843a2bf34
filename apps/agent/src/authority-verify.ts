import { X509Certificate } from 'node:crypto'
import { systemClock } from '@askee/core'
import {
  type Capability,
  type Certificate,
  fromPem,
  type VerifiedCertificate,
  verifyNodeCertificate,
} from '@askee/keys/authority'
import {
  type AuthorityCertificates,
  certificatesOf,
  type Intermediate,
  listPath,
  newestOf,
  publishedFile,
} from './authority-files.ts'

/**
 * Verifies a node's certificate by what an authority published.
 * @param pem certificate of the node
 * @param capability that it must have
 * @throws AskeeError with a CertificateErrorCode, `agent/no-authority`
 */
export async function verifyIssued(
  directory: string,
  pem: string,
  capability?: Capability,
): Promise<VerifiedCertificate> {
  const certificates = await certificatesOf(directory)
  const node = fromPem(pem, 'CERTIFICATE')
  const { name, certificate: intermediate } = issuerOf(node, certificates)
  const listOf = (which: 'root' | typeof name) =>
    publishedFile(directory, listPath(directory, which), 'X509 CRL')
  const lists = { root: await listOf('root'), intermediate: await listOf(name) }
  const trust = { root: certificates.root, lists, now: systemClock.now() }
  return verifyNodeCertificate({ node, intermediate }, trust, capability)
}

/** The intermediate that a certificate names; where none of them is, the newest, of which it then is not. */
function issuerOf(node: Certificate, certificates: AuthorityCertificates): Intermediate {
  let issuer: string | undefined
  try {
    issuer = new X509Certificate(node).issuer
  } catch {
    // The verifier says what is wrong with it.
  }
  const named = certificates.intermediates.find(
    ({ certificate }) => new X509Certificate(certificate).subject === issuer,
  )
  return named ?? newestOf(certificates)
}
