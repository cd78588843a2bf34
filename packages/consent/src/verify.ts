import { AskeeError, type Clock, fromUtf8, type NodeId, type Timestamp } from '@askee/core'
import { publicKeyFromNodeId } from '@askee/keys'
import { compactVerify, decodeProtectedHeader, importJWK } from 'jose'
import { type ConsentClaims, fromPayload, MAX_TOKEN_BYTES, TOKEN_TYPE } from './token.ts'

/** Clocks of honest machines differ; a token is taken this much before its time. */
const CLOCK_SKEW_MS = 60_000

export interface ExpectedConsent {
  readonly subject: NodeId
  readonly audience: NodeId
  /** When given, only this volunteer's tokens pass: a node obeys its own owner alone. */
  readonly issuer?: NodeId
}

/**
 * Claims of a token, checked offline in this order: size, type, algorithm, version and form, signature, issuer,
 * subject, audience, time. The key is the one inside the issuer's id, which only `iss` names: the header chooses nothing.
 * @throws AskeeError with a ConsentErrorCode
 */
export async function verifyConsent(
  token: string,
  expected: ExpectedConsent,
  now: Timestamp,
): Promise<ConsentClaims> {
  if (token.length > MAX_TOKEN_BYTES) {
    throw new AskeeError(
      'consent/malformed',
      `expected at most ${MAX_TOKEN_BYTES} characters, received ${token.length}`,
    )
  }
  checkHeader(token)
  const claims = fromPayload(unverifiedPayload(token))
  await checkSignature(token, claims.issuer)
  checkParties(claims, expected)
  checkTime(claims, now)
  return claims
}

/** A verifier bound to a clock, as the requester uses it on offers. */
export function createTokenVerifier(clock: Clock) {
  return (token: string, expected: ExpectedConsent): Promise<ConsentClaims> =>
    verifyConsent(token, expected, clock.now())
}

/** @throws AskeeError `consent/expired` | `consent/not-yet-valid` */
export function checkTime(claims: ConsentClaims, now: Timestamp): void {
  if (now >= claims.expires) {
    throw new AskeeError('consent/expired', `the consent ended at ${new Date(claims.expires).toISOString()}`)
  }
  if (now < claims.notBefore - CLOCK_SKEW_MS) {
    throw new AskeeError(
      'consent/not-yet-valid',
      `the consent begins at ${new Date(claims.notBefore).toISOString()}; is this machine's clock right?`,
    )
  }
}

function checkHeader(token: string): void {
  let header: { typ?: string; alg?: string }
  try {
    header = decodeProtectedHeader(token)
  } catch (cause) {
    throw new AskeeError('consent/malformed', 'expected a compact JWS', {}, { cause })
  }
  if (header.typ !== TOKEN_TYPE) {
    throw new AskeeError(
      'consent/type',
      `expected a token of type ${TOKEN_TYPE}, received ${String(header.typ)}`,
    )
  }
  if (header.alg !== 'EdDSA') {
    throw new AskeeError('consent/signature', `expected algorithm EdDSA, received ${String(header.alg)}`)
  }
}

function unverifiedPayload(token: string): unknown {
  try {
    return JSON.parse(fromUtf8(Buffer.from(token.split('.')[1] ?? '', 'base64url')))
  } catch (cause) {
    throw new AskeeError('consent/malformed', 'the payload is not JSON', {}, { cause })
  }
}

async function checkSignature(token: string, issuer: NodeId): Promise<void> {
  const x = Buffer.from(publicKeyFromNodeId(issuer)).toString('base64url')
  try {
    const key = await importJWK({ kty: 'OKP', crv: 'Ed25519', x }, 'EdDSA')
    await compactVerify(token, key, { algorithms: ['EdDSA'] })
  } catch (cause) {
    throw new AskeeError('consent/signature', `the signature is not one of ${issuer}`, {}, { cause })
  }
}

function checkParties(claims: ConsentClaims, expected: ExpectedConsent): void {
  if (expected.issuer !== undefined && claims.issuer !== expected.issuer) {
    throw new AskeeError(
      'consent/issuer',
      `expected a grant of ${expected.issuer}, received one of ${claims.issuer}`,
    )
  }
  if (claims.subject !== expected.subject) {
    throw new AskeeError(
      'consent/subject',
      `expected a grant for node ${expected.subject}, received ${claims.subject}`,
    )
  }
  if (claims.audience !== expected.audience) {
    throw new AskeeError(
      'consent/audience',
      `expected a grant to ${expected.audience}, received ${claims.audience}`,
    )
  }
}
