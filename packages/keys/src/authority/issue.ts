import { createHash } from 'node:crypto'
import {
  bytesEqual,
  type Clock,
  concat,
  fromHex,
  type Milliseconds,
  type NodeId,
  type Random,
  toHex,
  utf8,
} from '@askee/core'
import { publicKeyFromNodeId } from '../node-id.ts'
import { cryptoOf, SIGNING_ALGORITHM, SIGNING_KEY, spkiOf, x509 } from './library.ts'
import { BACKDATE, CAPABILITY_URI, type Capability, NODE_URI } from './names.ts'
import type { CertificateSigner } from './signer.ts'

/** Certificates are DER, as they stand on disk and travel. */
export type Certificate = Uint8Array

export interface IssueComponents {
  readonly clock: Clock
  readonly random: Random
}

const DAY = 86_400_000
const ED25519_SPKI = fromHex('302a300506032b6570032100')
/** RFC 5280: positive, at most 20 bytes. Random, so that nobody can tell how many there are. */
const SERIAL_RANDOM_BYTES = 10
/** Behind the random part: which authority made it, and that nothing in it is mistyped. */
const SERIAL_CHECK_BYTES = 6

interface Plan {
  readonly subject: string
  readonly issuer: string
  /** SubjectPublicKeyInfo. */
  readonly spki: Uint8Array
  readonly issuerSpki: Uint8Array
  readonly life: Milliseconds
  readonly extensions: x509.Extension[]
}

/**
 * The certificate of a root: signs nothing but intermediates and the list of those revoked.
 * @param name of the organisation, at most 40 characters
 */
export function issueRoot(
  components: IssueComponents,
  signer: CertificateSigner,
  init: { readonly name: string; readonly days?: number },
): Promise<Certificate> {
  const spki = spkiOf(signer.publicKey)
  const subject = nameOf('root', init.name)
  return make(components, signer, {
    subject,
    issuer: subject,
    spki,
    issuerSpki: spki,
    life: (init.days ?? 3650) * DAY,
    extensions: authorityExtensions(1),
  })
}

/**
 * The certificate of an intermediate, which signs those of nodes; the root's key is needed for it and then locked away.
 * @param init.name of the organisation; default as in the root's certificate
 * @param init.ordinal from 1, the default: each of a root has its own, and so its own name, by which lists are told apart
 */
export function issueIntermediate(
  components: IssueComponents,
  root: { readonly signer: CertificateSigner; readonly certificate: Certificate },
  intermediate: Pick<CertificateSigner, 'publicKey'>,
  init: { readonly name?: string; readonly days?: number; readonly ordinal?: number },
): Promise<Certificate> {
  const above = new x509.X509Certificate(Uint8Array.from(root.certificate))
  const name = init.name ?? above.subjectName.getField('O')[0] ?? ''
  const kind =
    init.ordinal === undefined || init.ordinal === 1 ? 'intermediate' : `intermediate ${init.ordinal}`
  return make(components, root.signer, {
    subject: nameOf(kind, name),
    issuer: above.subject,
    spki: spkiOf(intermediate.publicKey),
    issuerSpki: spkiOf(root.signer.publicKey),
    life: (init.days ?? 365) * DAY,
    extensions: authorityExtensions(0),
  })
}

/** The certificate of a node: its key is the Ed25519 key of its id. */
export function issueNode(
  components: IssueComponents,
  issuer: { readonly signer: CertificateSigner; readonly certificate: Certificate },
  subject: {
    readonly node: NodeId
    readonly capabilities: readonly Capability[]
    readonly life: Milliseconds
  },
): Promise<Certificate> {
  const uris = [`${NODE_URI}${subject.node}`, ...subject.capabilities.map((one) => `${CAPABILITY_URI}${one}`)]
  return make(components, issuer.signer, {
    subject: `CN=${subject.node}`,
    issuer: new x509.X509Certificate(Uint8Array.from(issuer.certificate)).subject,
    spki: Buffer.concat([ED25519_SPKI, publicKeyFromNodeId(subject.node)]),
    issuerSpki: spkiOf(issuer.signer.publicKey),
    life: subject.life,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([
        x509.ExtendedKeyUsage.serverAuth,
        x509.ExtendedKeyUsage.clientAuth,
      ]),
      new x509.SubjectAlternativeNameExtension(uris.map((value) => ({ type: 'url' as const, value }))),
    ],
  })
}

function nameOf(kind: string, name: string): string {
  const clean = name.replace(/[^\p{L}\p{N} .-]/gu, '').slice(0, 40)
  return `CN=Askee ${kind}, O=${clean === '' ? 'unnamed' : clean}`
}

function authorityExtensions(pathLength: number): x509.Extension[] {
  const usage = x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign
  return [
    new x509.BasicConstraintsExtension(true, pathLength, true),
    new x509.KeyUsagesExtension(usage, true),
  ]
}

async function make(
  { clock, random }: IssueComponents,
  signer: CertificateSigner,
  plan: Plan,
): Promise<Certificate> {
  const now = clock.now()
  const crypto = cryptoOf(signer)
  const subjectKey = new x509.PublicKey(Uint8Array.from(plan.spki))
  const issuerKey = new x509.PublicKey(Uint8Array.from(plan.issuerSpki))
  const certificate = await x509.X509CertificateGenerator.create(
    {
      serialNumber: newSerial(random, plan.issuerSpki),
      subject: plan.subject,
      issuer: plan.issuer,
      notBefore: new Date(now - BACKDATE),
      notAfter: new Date(now + plan.life),
      signingAlgorithm: SIGNING_ALGORITHM,
      publicKey: subjectKey,
      signingKey: SIGNING_KEY,
      extensions: [
        ...plan.extensions,
        await x509.SubjectKeyIdentifierExtension.create(subjectKey, false, crypto),
        await x509.AuthorityKeyIdentifierExtension.create(issuerKey, false, crypto),
      ],
    },
    crypto,
  )
  return new Uint8Array(certificate.rawData)
}

function newSerial(random: Random, issuerSpki: Uint8Array): string {
  const start = random.bytes(SERIAL_RANDOM_BYTES)
  start[0] = ((start[0] as number) & 0x7f) | 0x40
  return toHex(concat(start, serialCheck(start, issuerSpki)))
}

function serialCheck(start: Uint8Array, issuerSpki: Uint8Array): Uint8Array {
  const bytes = concat(utf8('askee/certificate-serial/1\0'), issuerSpki, start)
  return createHash('sha256').update(bytes).digest().subarray(0, SERIAL_CHECK_BYTES)
}

/** Whether an authority gave that serial number, in hexadecimal: a mistyped one, or one of another authority, is found so. */
export function isSerialOf(issuer: Pick<CertificateSigner, 'publicKey'>, serial: string): boolean {
  if (serial.length !== 2 * (SERIAL_RANDOM_BYTES + SERIAL_CHECK_BYTES) || !/^[0-9a-f]+$/.test(serial)) {
    return false
  }
  const bytes = fromHex(serial)
  const check = serialCheck(bytes.subarray(0, SERIAL_RANDOM_BYTES), spkiOf(issuer.publicKey))
  return bytesEqual(bytes.subarray(SERIAL_RANDOM_BYTES), check)
}
