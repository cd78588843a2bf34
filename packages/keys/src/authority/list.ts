import { verify as verifyWith, X509Certificate } from 'node:crypto'
import { AskeeError, bytesEqual, fromHex, type Timestamp, toHex } from '@askee/core'
import { DerReader, der, derTime, derUnsigned, type Element, TAG, timeOf, unsignedOf } from './der.ts'
import type { Certificate } from './issue.ts'
import { x509 } from './library.ts'
import { MAX_LIST_BYTES } from './names.ts'
import type { CertificateSigner } from './signer.ts'

export type CertificateRevocationReason = 'compromised' | 'superseded' | 'ended' | 'withdrawn'

/** As RFC 5280, 5.3.1 numbers them. */
const REASONS = {
  compromised: 1,
  superseded: 4,
  ended: 5,
  withdrawn: 9,
} as const satisfies Record<CertificateRevocationReason, number>

export interface RevokedCertificate {
  /** Serial number in hexadecimal, as `verifyNodeCertificate` gives it. */
  readonly serial: string
  readonly at: number
  readonly reason: CertificateRevocationReason
}

/** What an authority published of the certificates that it revoked (RFC 5280, 5). */
export interface RevocationList {
  /** Higher than of any list before; below 2^48. */
  readonly number: number
  /** From when it is good, and until when; in whole seconds. */
  readonly from: Timestamp
  readonly until: Timestamp
  readonly revoked: readonly RevokedCertificate[]
}

const VERSION_2 = derUnsigned(Buffer.of(1))
const ECDSA_SHA256 = der(TAG.sequence, der(TAG.oid, fromHex('2a8648ce3d040302')))
const REASON_CODE = der(TAG.oid, fromHex('551d15'))
const CRL_NUMBER = der(TAG.oid, fromHex('551d14'))
const MAX_NUMBER_BYTES = 6

/** Signs a list. */
export async function makeRevocationList(
  list: RevocationList,
  issuer: Certificate,
  signer: CertificateSigner,
): Promise<Uint8Array> {
  const number = Buffer.alloc(MAX_NUMBER_BYTES)
  number.writeUIntBE(list.number, 0, MAX_NUMBER_BYTES)
  const entries = list.revoked.map(derEntry)
  const signed = der(
    TAG.sequence,
    VERSION_2,
    ECDSA_SHA256,
    nameOf(issuer),
    derTime(list.from),
    derTime(list.until),
    // RFC 5280, 5.1.2.6: where none is revoked, the list is left out.
    ...(entries.length === 0 ? [] : [der(TAG.sequence, ...entries)]),
    der(TAG.extensions, der(TAG.sequence, extension(CRL_NUMBER, derUnsigned(number)))),
  )
  const signature = await signer.sign(signed)
  const half = signature.byteLength / 2
  const pair = [signature.subarray(0, half), signature.subarray(half)].map((part) => derUnsigned(part))
  const bits = der(TAG.bitString, Buffer.of(0), der(TAG.sequence, ...pair))
  return new Uint8Array(der(TAG.sequence, signed, ECDSA_SHA256, bits))
}

function derEntry({ serial, at, reason }: RevokedCertificate): Buffer {
  const why = extension(REASON_CODE, der(TAG.enumerated, Buffer.of(REASONS[reason])))
  return der(TAG.sequence, derUnsigned(fromHex(serial)), derTime(at), der(TAG.sequence, why))
}

function extension(oid: Uint8Array, value: Uint8Array): Buffer {
  return der(TAG.sequence, oid, der(TAG.octetString, value))
}

/** The issuer as it stands in what it signs. */
function nameOf(issuer: Certificate): Uint8Array {
  return new Uint8Array(new x509.X509Certificate(Uint8Array.from(issuer)).subjectName.toArrayBuffer())
}

/**
 * Reads a list that an authority signed, whatever its age.
 * @param issuer certificate of the authority
 * @throws AskeeError `certificate/malformed`, `certificate/too-large`, `certificate/list-signature` when another signed it
 */
export function readRevocationList(bytes: Uint8Array, issuer: Certificate): RevocationList {
  if (bytes.byteLength > MAX_LIST_BYTES) {
    throw new AskeeError(
      'certificate/too-large',
      `the list of revoked certificates has ${bytes.byteLength} bytes, at most ${MAX_LIST_BYTES}`,
    )
  }
  let parsed: ParsedList
  try {
    parsed = parse(bytes)
  } catch (cause) {
    throw new AskeeError(
      'certificate/malformed',
      'the list of revoked certificates cannot be read',
      {},
      { cause },
    )
  }
  const { signed, signature, name, list } = parsed
  const { publicKey, subject } = new X509Certificate(issuer)
  if (bytesEqual(name, nameOf(issuer)) && verifyWith('sha256', signed, publicKey, signature)) return list
  throw new AskeeError(
    'certificate/list-signature',
    `${subject.replaceAll('\n', ', ')} did not sign this list`,
  )
}

interface ParsedList {
  readonly signed: Uint8Array
  readonly signature: Uint8Array
  readonly name: Uint8Array
  readonly list: RevocationList
}

/** @throws RangeError */
function parse(bytes: Uint8Array): ParsedList {
  const outside = new DerReader(bytes)
  const whole = new DerReader(outside.next(TAG.sequence).content)
  outside.end()
  const signed = whole.next(TAG.sequence)
  assertIs(whole.next(TAG.sequence), ECDSA_SHA256)
  const { content: bits } = whole.next(TAG.bitString)
  whole.end()
  if (bits[0] !== 0) throw new RangeError('half a byte')

  const inside = new DerReader(signed.content)
  assertIs(inside.next(TAG.integer), VERSION_2)
  assertIs(inside.next(TAG.sequence), ECDSA_SHA256)
  const name = inside.next(TAG.sequence).whole
  const from = timeOf(inside.next())
  const until = timeOf(inside.next())
  const revoked = inside.peek() === TAG.sequence ? entriesOf(inside.next()) : []
  const extensions = new DerReader(inside.next(TAG.extensions).content)
  inside.end()
  const number = numberOf(extensions.next(TAG.sequence))
  extensions.end()
  return { signed: signed.whole, signature: bits.subarray(1), name, list: { number, from, until, revoked } }
}

function entriesOf({ content }: Element): RevokedCertificate[] {
  const reader = new DerReader(content)
  const entries: RevokedCertificate[] = []
  while (!reader.isAtEnd()) {
    const entry = new DerReader(reader.next(TAG.sequence).content)
    const serial = toHex(unsignedOf(entry.next(TAG.integer)))
    const at = timeOf(entry.next())
    const value = extensionValue(entry.next(TAG.sequence), REASON_CODE)
    entry.end()
    const number = new DerReader(value).next(TAG.enumerated).content[0]
    const reason = Object.entries(REASONS).find(([, code]) => code === number)?.[0]
    if (reason === undefined) throw new RangeError('no reason')
    entries.push({ serial, at, reason: reason as CertificateRevocationReason })
  }
  return entries
}

function numberOf(extensions: Element): number {
  const digits = unsignedOf(new DerReader(extensionValue(extensions, CRL_NUMBER)).next(TAG.integer))
  if (digits.byteLength > MAX_NUMBER_BYTES) throw new RangeError('a number of more than 48 bits')
  return Buffer.from(digits).readUIntBE(0, digits.byteLength)
}

/** The value of the only extension: ours have one, and one that is not known must not be passed over. */
function extensionValue(extensions: Element, oid: Uint8Array): Uint8Array {
  const all = new DerReader(extensions.content)
  const one = new DerReader(all.next(TAG.sequence).content)
  all.end()
  assertIs(one.next(TAG.oid), oid)
  // Written out by some, although it is the default.
  if (one.peek() === TAG.boolean) one.next()
  const { content } = one.next(TAG.octetString)
  one.end()
  return content
}

function assertIs({ whole }: Element, expected: Uint8Array): void {
  if (!bytesEqual(whole, expected)) throw new RangeError('another element')
}
