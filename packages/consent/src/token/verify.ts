import type { NodeId, Timestamp } from '@askee/core'
import { refuse } from '../errors.ts'
import { assertWithin } from '../meet.ts'
import { type ConsentClaims, fromPayload, MAX_CHAIN, MAX_TOKEN_BYTES, TOKEN_TYPE, termsOf } from './claims.ts'
import { openJws } from './jws.ts'

/** Clocks of honest machines differ; a token is taken this much before its time. */
export const CLOCK_SKEW_MS = 60_000

export interface ExpectedConsent {
  readonly subject: NodeId
  readonly audience: NodeId
  /** When given, only what goes back to this volunteer passes: a node obeys its own owner alone. */
  readonly issuer?: NodeId
  /** Who shows the token, proven by the channel; must be the key it was given to. Default: the subject. */
  readonly holder?: NodeId
}

/** A token whose every signature, and whose every step from the volunteer's own grant, was checked. */
export interface VerifiedConsent extends ConsentClaims {
  /** The tokens that it narrows, nearest first; the last is the volunteer's own. */
  readonly ancestors: readonly ConsentClaims[]
  /** The volunteer who granted it at first. */
  readonly grantor: NodeId
}

/**
 * Checks a token offline, in this order: size, form, type, algorithm, header, version, signature, then each parent the
 * same way and that nothing is wider than it, then issuer, subject, audience, holder and time. Whether it was revoked
 * is not in the token: `createTokenVerifier` asks for that too.
 * @throws AskeeError with a ConsentErrorCode
 */
export function verifyConsent(token: string, expected: ExpectedConsent, now: Timestamp): VerifiedConsent {
  const consent = inspectToken(token)
  checkParties(consent, expected)
  for (const link of [consent, ...consent.ancestors]) checkTime(link, now)
  return consent
}

/**
 * A token for whomever it is: signatures and attenuation are checked, and its time when `now` is given.
 * @throws AskeeError with a ConsentErrorCode
 */
export function inspectToken(token: string, now?: Timestamp): VerifiedConsent {
  const chain = verifiedChain(token)
  const [claims, ...ancestors] = chain as [ConsentClaims, ...ConsentClaims[]]
  if (now !== undefined) for (const link of chain) checkTime(link, now)
  return { ...claims, ancestors, grantor: (chain.at(-1) as ConsentClaims).issuer }
}

/**
 * Claims of a token and its parents, nearest first, with signatures and attenuation checked, and no party or time.
 * @throws AskeeError with a ConsentErrorCode
 */
export function verifiedChain(token: string): readonly ConsentClaims[] {
  const chain: ConsentClaims[] = []
  let next: string | undefined = token
  while (next !== undefined) {
    if (chain.length === MAX_CHAIN) {
      throw refuse('consent/depth', `expected at most ${MAX_CHAIN} tokens one inside the other`)
    }
    const opened = openJws(next, TOKEN_TYPE, MAX_TOKEN_BYTES)
    const claims = fromPayload(opened.payload)
    opened.verify()
    if (claims.expires <= claims.notBefore) {
      throw refuse('consent/malformed', 'expected a token that ends after it begins')
    }
    const child = chain.at(-1)
    if (child !== undefined) checkAttenuation(child, claims)
    chain.push(claims)
    next = claims.parents[0]
  }
  return chain
}

/** @throws AskeeError `consent/chain` | `consent/widened` */
export function checkAttenuation(child: ConsentClaims, parent: ConsentClaims): void {
  if (child.issuer !== parent.holder) {
    throw refuse(
      'consent/chain',
      `expected a child signed by the parent's holder ${parent.holder}, received one of ${child.issuer}`,
    )
  }
  const same: readonly (keyof ConsentClaims)[] = ['subject', 'audience', 'textDigest', 'manifest']
  for (const field of same) {
    if (child[field] !== parent[field]) {
      throw refuse('consent/widened', `a child has the same ${field} as its parent`, { fields: [field] })
    }
  }
  if (child.notBefore < parent.notBefore || child.expires > parent.expires) {
    throw refuse('consent/widened', 'a child lives within the time of its parent', { fields: ['time'] })
  }
  // Times were compared as they stand, which is stricter than their spans.
  assertWithin({ ...termsOf(child), lifetime: 0 }, { ...termsOf(parent), lifetime: 0 })
}

/** @throws AskeeError `consent/expired` | `consent/not-yet-valid` */
export function checkTime(claims: ConsentClaims, now: Timestamp): void {
  if (now >= claims.expires) {
    throw refuse('consent/expired', `the consent ended at ${new Date(claims.expires).toISOString()}`)
  }
  if (now < claims.notBefore - CLOCK_SKEW_MS) {
    throw refuse(
      'consent/not-yet-valid',
      `the consent begins at ${new Date(claims.notBefore).toISOString()}; is this machine's clock right?`,
    )
  }
}

function checkParties(consent: VerifiedConsent, expected: ExpectedConsent): void {
  const { grantor } = consent
  if (expected.issuer !== undefined && grantor !== expected.issuer) {
    throw refuse('consent/issuer', `expected a grant of ${expected.issuer}, received one of ${grantor}`)
  }
  if (consent.subject !== expected.subject) {
    throw refuse(
      'consent/subject',
      `expected a grant for node ${expected.subject}, received ${consent.subject}`,
    )
  }
  if (consent.audience !== expected.audience) {
    throw refuse('consent/audience', `expected a grant to ${expected.audience}, received ${consent.audience}`)
  }
  const holder = expected.holder ?? expected.subject
  if (consent.holder !== holder) {
    throw refuse('consent/holder', `expected a token given to ${holder}, received one of ${consent.holder}`)
  }
}
