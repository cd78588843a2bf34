import { type AskeeError, type NodeId, parse, type Timestamp } from '@askee/core'
import type { Identity } from '@askee/keys'
import { z } from 'zod'
import { refuse } from '../errors.ts'
import { idSchema, MAX_RENEWALS, nodeIdSchema, secondsSchema } from '../terms.ts'
import { openJws, signJws } from '../token/jws.ts'

/** `typ` of a revocation certificate. */
export const CERTIFICATE_TYPE = 'consent-revocation+jwt'
/** A line of 32 tokens and the envelope. */
export const MAX_CERTIFICATE_BYTES = 4096

/**
 * Ends consents of its issuer: those of one line, or all below an epoch. It says nothing of why, for whom, or since when,
 * because it is signed at the grant and read by strangers.
 */
export interface RevocationCertificate {
  readonly id: string
  readonly issuer: NodeId
  readonly issuedAt: Timestamp
  /** When everything that it ends has ended by itself. */
  readonly until: Timestamp
  /** Ids of tokens, or null when `minEpoch` says which. */
  readonly consents: readonly string[] | null
  readonly minEpoch: number | null
}

const payloadSchema = z
  .strictObject({
    ver: z.literal(1),
    jti: idSchema,
    iss: nodeIdSchema,
    iat: secondsSchema,
    exp: secondsSchema,
    revokes: z
      .array(idSchema)
      .min(1)
      .max(MAX_RENEWALS + 1)
      .optional(),
    min_epoch: z
      .number()
      .int()
      .min(1)
      .max(2 ** 31)
      .optional(),
  })
  .refine(
    ({ revokes, min_epoch }) => (revokes === undefined) !== (min_epoch === undefined),
    'expected tokens or an epoch, one of them',
  )

/** Signs a certificate for some tokens, or for all below an epoch. */
export function signCertificate(
  issuer: Identity,
  what: { id: string; now: Timestamp; until: Timestamp } & (
    | { readonly consents: readonly string[] }
    | { readonly minEpoch: number }
  ),
): string {
  const payload = {
    ver: 1,
    jti: what.id,
    iss: issuer.id,
    iat: Math.floor(what.now / 1000),
    exp: Math.ceil(what.until / 1000),
    ...('consents' in what ? { revokes: what.consents } : { min_epoch: what.minEpoch }),
  }
  return signJws(issuer, CERTIFICATE_TYPE, payload)
}

/** Whose certificate it says it is; its signature is not looked at. @throws AskeeError with a ConsentErrorCode */
export function issuerOf(text: string): string {
  return openJws(text, CERTIFICATE_TYPE, MAX_CERTIFICATE_BYTES).issuer
}

/**
 * A certificate whose signature was checked. It speaks for tokens of its issuer alone.
 * @throws AskeeError with a ConsentErrorCode
 */
export function verifyCertificate(text: string): RevocationCertificate {
  const opened = openJws(text, CERTIFICATE_TYPE, MAX_CERTIFICATE_BYTES)
  const version = (opened.payload as { ver?: unknown }).ver
  if (typeof version === 'number' && version !== 1) {
    throw refuse('consent/version', `expected a certificate of version 1, received ${version}`)
  }
  let payload: z.output<typeof payloadSchema>
  try {
    payload = parse(opened.payload, payloadSchema)
  } catch (cause) {
    throw refuse('consent/malformed', `not a certificate: ${(cause as AskeeError).message}`, {}, cause)
  }
  opened.verify()
  return {
    id: payload.jti,
    issuer: payload.iss as NodeId,
    issuedAt: payload.iat * 1000,
    until: payload.exp * 1000,
    consents: payload.revokes ?? null,
    minEpoch: payload.min_epoch ?? null,
  }
}
