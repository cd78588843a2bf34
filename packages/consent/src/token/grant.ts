import { createHash } from 'node:crypto'
import type { NodeId, Timestamp } from '@askee/core'
import type { Identity } from '@askee/keys'
import { refuse } from '../errors.ts'
import { assertWithin, type ConsentChoices, meet } from '../meet.ts'
import { signCertificate } from '../revocation/certificate.ts'
import { type ConsentTerms, MAX_LIFETIME_MS } from '../terms.ts'
import { type ConsentClaims, fromPayload, MAX_TOKEN_BYTES, TOKEN_TYPE, termsOf, toPayload } from './claims.ts'
import { signJws } from './jws.ts'
import { verifiedChain } from './verify.ts'

/** What the volunteer agreed to, and with whom. */
export interface ConsentGrant {
  /** 128 fresh random bits in hexadecimal. */
  readonly id: string
  readonly now: Timestamp
  readonly subject: NodeId
  readonly audience: NodeId
  readonly terms: ConsentTerms
  /** SHA-256 of the exact text shown, hexadecimal. */
  readonly textDigest: string
  /** SHA-256 of the manifest, hexadecimal. */
  readonly manifest: string
  readonly epoch: number
  readonly status: ConsentClaims['status']
  /** Who may show it. Default: the subject. */
  readonly holder?: NodeId
}

export interface SignedConsent {
  readonly token: string
  readonly claims: ConsentClaims
  /** Signed at the same moment, so that the consent can be revoked even when the key is lost. */
  readonly certificate: string
}

/**
 * Signs a consent with the volunteer's key, and its revocation certificate.
 * @throws AskeeError `consent/malformed` when a field is out of range, `consent/limits` when it would live too long
 */
export function grantConsent(volunteer: Identity, grant: ConsentGrant): SignedConsent {
  return sign(volunteer, grant, null, [grant.id])
}

/**
 * Signs the next token of a line. Its terms and its time are never wider than those of the one before.
 * @param line ids of the tokens before, newest first
 * @throws AskeeError `consent/widened`, `consent/renewals`
 */
export function renewConsent(
  volunteer: Identity,
  previous: ConsentClaims,
  line: readonly string[],
  renewal: { id: string; now: Timestamp; terms: ConsentTerms },
): SignedConsent {
  if (previous.maxRenewals < 1) {
    throw refuse('consent/renewals', 'it was renewed as often as was agreed: a new grant is needed')
  }
  const { id, now, terms } = renewal
  assertWithin(terms, { ...termsOf(previous), maxRenewals: previous.maxRenewals - 1 })
  const { subject, audience, textDigest, manifest, epoch, status, holder } = previous
  const grant = { id, now, subject, audience, terms, textDigest, manifest, epoch, status, holder }
  return sign(volunteer, grant, previous.id, [id, ...line])
}

/**
 * Signs a narrower child of a token that `holder` holds, for the same node and requester.
 * @param until when it ends at the latest; never after its parent
 * @throws AskeeError `consent/chain` when the token is not the holder's, `consent/depth`, `consent/malformed`
 */
export function attenuateConsent(
  holder: Identity,
  parent: string,
  child: {
    id: string
    now: Timestamp
    choices: ConsentChoices
    until?: Timestamp
    holder?: NodeId
    status: ConsentClaims['status']
  },
): SignedConsent {
  const chain = verifiedChain(parent)
  const own = chain[0] as ConsentClaims
  if (own.holder !== holder.id) {
    throw refuse('consent/chain', `the token was given to ${own.holder}, not to ${holder.id}`)
  }
  const { permissions, purposes, data, maxRenewals } = meet(termsOf(own), child.choices)
  const certificate = signCertificate(holder, {
    id: child.id,
    now: child.now,
    consents: [child.id],
    until: own.expires,
  })
  const claims: ConsentClaims = {
    ...own,
    id: child.id,
    issuer: holder.id,
    issuedAt: child.now,
    notBefore: Math.max(own.notBefore, child.now),
    expires: Math.min(own.expires, child.until ?? own.expires),
    permissions,
    purposes,
    data,
    renewOf: null,
    maxRenewals,
    holder: child.holder ?? holder.id,
    status: child.status,
    revocation: digestOfText(certificate),
    parents: [parent],
  }
  const signed = finished(holder, claims, certificate)
  verifiedChain(signed.token)
  return signed
}

function sign(
  volunteer: Identity,
  grant: ConsentGrant,
  renewOf: string | null,
  line: readonly string[],
): SignedConsent {
  const { id, now, terms } = grant
  if (!(terms.lifetime >= 1000 && terms.lifetime <= MAX_LIFETIME_MS)) {
    throw refuse('consent/limits', `expected a lifetime of 1 s to 366 days, received ${terms.lifetime} ms`)
  }
  const expires = now + terms.lifetime
  const certificate = signCertificate(volunteer, { id, now, consents: line, until: expires })
  return finished(
    volunteer,
    {
      id,
      issuer: volunteer.id,
      subject: grant.subject,
      audience: grant.audience,
      issuedAt: now,
      notBefore: now,
      expires,
      permissions: terms.permissions,
      purposes: terms.purposes,
      data: terms.data,
      textDigest: grant.textDigest,
      manifest: grant.manifest,
      renewOf,
      maxRenewals: terms.maxRenewals,
      holder: grant.holder ?? grant.subject,
      epoch: grant.epoch,
      status: grant.status,
      revocation: digestOfText(certificate),
      parents: [],
    },
    certificate,
  )
}

function finished(issuer: Identity, claims: ConsentClaims, certificate: string): SignedConsent {
  const payload = toPayload(claims)
  const checked = fromPayload(payload)
  const token = signJws(issuer, TOKEN_TYPE, payload)
  if (token.length > MAX_TOKEN_BYTES) {
    throw refuse('consent/malformed', `the token would have ${token.length} characters of ${MAX_TOKEN_BYTES}`)
  }
  return { token, claims: checked, certificate }
}

/** SHA-256 of a document's text, hexadecimal. */
export function digestOfText(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
