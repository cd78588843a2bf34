import { X509Certificate as NodeCertificate } from 'node:crypto'
import { AskeeError, type NodeId, type Timestamp } from '@askee/core'
import { nodeIdFromPublicKey } from '../node-id.ts'
import type { Certificate } from './issue.ts'
import { isSignedAsOurs, own, x509 } from './library.ts'
import { type RevocationList, readRevocationList } from './list.ts'
import { CAPABILITIES, CAPABILITY_URI, type Capability, MAX_NODE_LIFE, NODE_URI } from './names.ts'

export type CertificateErrorCode =
  | 'certificate/too-large'
  | 'certificate/malformed'
  | 'certificate/issuer'
  | 'certificate/signature'
  | 'certificate/not-an-authority'
  | 'certificate/is-an-authority'
  | 'certificate/not-yet-valid'
  | 'certificate/expired'
  | 'certificate/lifetime'
  | 'certificate/usage'
  | 'certificate/subject'
  | 'certificate/extension'
  | 'certificate/list-signature'
  | 'certificate/list-stale'
  | 'certificate/list-rollback'
  | 'certificate/revoked'
  | 'certificate/intermediate-revoked'
  | 'certificate/capability'

/** What a verifier knows beforehand. */
export interface Trust {
  /** The root's certificate, got by another way than the chain. */
  readonly root: Certificate
  /** The newest lists of the root (intermediates revoked) and of the intermediate (nodes revoked). */
  readonly lists: { readonly root: Uint8Array; readonly intermediate: Uint8Array }
  /** Highest numbers of lists seen so far; older ones are refused. */
  readonly seen?: { readonly root: number; readonly intermediate: number }
  readonly now: Timestamp
}

export interface VerifiedCertificate {
  readonly node: NodeId
  readonly capabilities: readonly Capability[]
  readonly serial: string
  readonly notAfter: Timestamp
  /** Numbers of the lists used: keep the highest for `Trust.seen`. */
  readonly lists: { readonly root: number; readonly intermediate: number }
}

const MAX_CERTIFICATE_BYTES = 4096
const SPKI_BYTES = 44
const KNOWN_EXTENSIONS = new Set([
  '2.5.29.19',
  '2.5.29.15',
  '2.5.29.37',
  '2.5.29.17',
  '2.5.29.14',
  '2.5.29.35',
])

function refuse(code: CertificateErrorCode, text: string): never {
  throw new AskeeError(code, text)
}

/**
 * Verifies a node's certificate against a root: signatures, validity, constraints, both lists, and that its key is the one
 * of the node it names. Fails closed: without a list of today nothing is valid.
 * @param required a capability that the node must have
 * @throws AskeeError with a CertificateErrorCode
 */
export async function verifyNodeCertificate(
  chain: { readonly node: Certificate; readonly intermediate: Certificate },
  trust: Trust,
  required?: Capability,
): Promise<VerifiedCertificate> {
  const root = parse(trust.root, "the root's certificate")
  const intermediate = parse(chain.intermediate, "the intermediate's certificate")
  const leaf = parse(chain.node, "the node's certificate")
  const { now, seen } = trust
  checkTime(root, now)
  checkAuthority(root, 1)
  await checkIssued(intermediate, root)
  checkAuthority(intermediate, 0)
  checkTime(intermediate, now)
  const rootList = listOf(trust.lists.root, trust.root, now, seen?.root ?? 0)
  checkRevoked(intermediate, rootList, 'certificate/intermediate-revoked')
  await checkIssued(leaf, intermediate)
  checkLeaf(leaf)
  checkTime(leaf, now)
  const list = listOf(trust.lists.intermediate, chain.intermediate, now, seen?.intermediate ?? 0)
  checkRevoked(leaf, list, 'certificate/revoked')
  const { node, capabilities } = subjectOf(leaf)
  if (required !== undefined && !capabilities.includes(required)) {
    refuse('certificate/capability', `the certificate of ${node} does not allow "${required}"`)
  }
  return {
    node,
    capabilities,
    serial: leaf.serialNumber,
    notAfter: leaf.notAfter.getTime(),
    lists: { root: rootList.number, intermediate: list.number },
  }
}

function parse(bytes: Certificate, what: string): x509.X509Certificate {
  if (bytes.byteLength > MAX_CERTIFICATE_BYTES) {
    refuse('certificate/too-large', `${what} has ${bytes.byteLength} bytes, at most ${MAX_CERTIFICATE_BYTES}`)
  }
  let certificate: x509.X509Certificate
  let isExact: boolean
  try {
    // The library is lenient about bytes that no signature covers; OpenSSL, which TLS uses, reads them too and gives them back
    // in the one form there is.
    isExact = new NodeCertificate(bytes).raw.equals(bytes)
    certificate = new x509.X509Certificate(Uint8Array.from(bytes))
    // Everything that is looked at later is parsed here, so that no getter throws something else.
    void certificate.extensions
    void certificate.publicKey.rawData
  } catch (cause) {
    throw new AskeeError('certificate/malformed', `${what} cannot be read`, {}, { cause })
  }
  if (!isExact) refuse('certificate/malformed', `${what} is not in its one exact form`)
  const unknown = certificate.extensions.find(({ type, critical }) => critical && !KNOWN_EXTENSIONS.has(type))
  if (unknown !== undefined) {
    refuse('certificate/extension', `${what} has the unknown critical extension ${unknown.type}`)
  }
  return certificate
}

async function checkIssued(certificate: x509.X509Certificate, issuer: x509.X509Certificate): Promise<void> {
  if (certificate.issuer !== issuer.subject) {
    refuse(
      'certificate/issuer',
      `expected a certificate of ${issuer.subject}, received one of ${certificate.issuer}`,
    )
  }
  const valid =
    isSignedAsOurs(certificate) && (await verifies(() => certificate.verify(signatureOf(issuer), own)))
  if (!valid) refuse('certificate/signature', `${issuer.subject} did not sign this certificate`)
}

function signatureOf(issuer: x509.X509Certificate): { publicKey: x509.PublicKey; signatureOnly: true } {
  return { publicKey: issuer.publicKey, signatureOnly: true }
}

async function verifies(check: () => Promise<boolean>): Promise<boolean> {
  try {
    return await check()
  } catch {
    return false
  }
}

function checkAuthority(certificate: x509.X509Certificate, pathLength: number): void {
  const constraints = certificate.getExtension(x509.BasicConstraintsExtension)
  const usages = certificate.getExtension(x509.KeyUsagesExtension)?.usages ?? 0
  const needed = x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign
  if (constraints?.ca && constraints.pathLength === pathLength && (usages & needed) === needed) return
  refuse('certificate/not-an-authority', `${certificate.subject} may not sign certificates here`)
}

function checkTime({ subject, notBefore, notAfter }: x509.X509Certificate, now: Timestamp): void {
  if (now < notBefore.getTime()) {
    refuse(
      'certificate/not-yet-valid',
      `the certificate of ${subject} is valid from ${notBefore.toISOString()}`,
    )
  }
  if (now > notAfter.getTime()) {
    refuse(
      'certificate/expired',
      `the certificate of ${subject} expired ${notAfter.toISOString()}; ask for a new one`,
    )
  }
}

function checkLeaf(leaf: x509.X509Certificate): void {
  if (leaf.getExtension(x509.BasicConstraintsExtension)?.ca !== false) {
    refuse('certificate/is-an-authority', 'the certificate of a node may not sign others')
  }
  const usages = leaf.getExtension(x509.KeyUsagesExtension)?.usages
  if (usages !== x509.KeyUsageFlags.digitalSignature) {
    refuse('certificate/usage', 'the certificate of a node is for signatures only')
  }
  const life = leaf.notAfter.getTime() - leaf.notBefore.getTime()
  if (life > MAX_NODE_LIFE || life <= 0) {
    refuse('certificate/lifetime', `expected a life of at most ${MAX_NODE_LIFE} ms, received ${life}`)
  }
}

function subjectOf(leaf: x509.X509Certificate): { node: NodeId; capabilities: Capability[] } {
  const names = leaf.getExtension(x509.SubjectAlternativeNameExtension)?.names.items ?? []
  const uris = names.filter(({ type }) => type === 'url').map(({ value }) => value)
  const nodes = uris.filter((uri) => uri.startsWith(NODE_URI)).map((uri) => uri.slice(NODE_URI.length))
  const spki = new Uint8Array(leaf.publicKey.rawData)
  const isEd25519 = leaf.publicKey.algorithm.name === 'Ed25519' && spki.byteLength === SPKI_BYTES
  const node = isEd25519 ? nodeIdFromPublicKey(spki.subarray(SPKI_BYTES - 32)) : undefined
  if (node === undefined || nodes.length !== 1 || nodes[0] !== node) {
    refuse('certificate/subject', 'the key of the certificate is not the one of the node that it names')
  }
  const named = uris
    .filter((uri) => uri.startsWith(CAPABILITY_URI))
    .map((uri) => uri.slice(CAPABILITY_URI.length))
  return { node, capabilities: CAPABILITIES.filter((one) => named.includes(one)) }
}

/** The list of an issuer, if it is of today and no older than one that was seen. */
function listOf(bytes: Uint8Array, issuer: Certificate, now: Timestamp, seen: number): RevocationList {
  const list = readRevocationList(bytes, issuer)
  if (list.from > now + 5 * 60_000 || list.until <= now) {
    refuse(
      'certificate/list-stale',
      `a list of revoked certificates (number ${list.number}) is not of today; fetch the new one`,
    )
  }
  if (list.number < seen) {
    refuse('certificate/list-rollback', `list ${list.number} is older than ${seen}, which was seen`)
  }
  return list
}

function checkRevoked(
  certificate: x509.X509Certificate,
  { revoked }: RevocationList,
  code: 'certificate/revoked' | 'certificate/intermediate-revoked',
): void {
  const serial = certificate.serialNumber.replace(/^(?:00)+(?=..)/, '')
  const entry = revoked.find((one) => one.serial === serial)
  if (entry === undefined) return
  const when = new Date(entry.at).toISOString()
  refuse(code, `the certificate of ${certificate.subject} was revoked ${when}`)
}
