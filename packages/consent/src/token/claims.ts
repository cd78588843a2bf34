import { type AskeeError, type NodeId, parse, type Timestamp } from '@askee/core'
import { z } from 'zod'
import { refuse } from '../errors.ts'
import {
  type ConsentPermissions,
  type ConsentTerms,
  type DataCategory,
  digestSchema,
  idSchema,
  MAX_RENEWALS,
  nodeIdSchema,
  permissionsOf,
  permissionsPayload,
  permissionsShape,
  secondsSchema,
} from '../terms.ts'

/** `typ` of the token's header: nothing signed for another use passes for a consent. */
export const TOKEN_TYPE = 'consent+jwt'
/**
 * Version 1 is refused, not read: it names no holder, no status list and no revocation certificate, so that a consent of
 * version 1 could not be revoked anywhere but on its own machine.
 */
export const TOKEN_VERSION = 2
/** Longest accepted token, its parents included. */
export const MAX_TOKEN_BYTES = 8192
/** Tokens in a chain, the root included. */
export const MAX_CHAIN = 3
/** Entries of one status list. */
export const STATUS_ENTRIES = 4096

export interface ConsentClaims {
  /** 128 random bits in hexadecimal; cited by every assignment and receipt. */
  readonly id: string
  /** The volunteer's key, or for a child the holder of its parent. */
  readonly issuer: NodeId
  /** The node that will do the work. */
  readonly subject: NodeId
  /** The requester. */
  readonly audience: NodeId
  readonly issuedAt: Timestamp
  readonly notBefore: Timestamp
  readonly expires: Timestamp
  readonly permissions: ConsentPermissions
  readonly purposes: readonly string[]
  readonly data: readonly DataCategory[]
  /** SHA-256 of the text that the person was shown, hexadecimal. */
  readonly textDigest: string
  /** SHA-256 of the manifest that was reviewed, hexadecimal. */
  readonly manifest: string
  /** The token that this one renews. */
  readonly renewOf: string | null
  /** Renewals left. */
  readonly maxRenewals: number
  /** Who may show it, and sign children of it. */
  readonly holder: NodeId
  /** Below the issuer's minimum epoch nothing is valid. */
  readonly epoch: number
  readonly status: { readonly list: string; readonly index: number }
  /** SHA-256 of the revocation certificate that was signed with it, hexadecimal. */
  readonly revocation: string
  /** Compact tokens that this one narrows: none, or its parent. */
  readonly parents: readonly string[]
}

/** Claims as they stand in the token. Names follow RFC 7519, RFC 7800 (`cnf`) and the IETF Token Status List (`status`). */
const payloadSchema = z.strictObject({
  ver: z.literal(TOKEN_VERSION),
  jti: idSchema,
  iss: nodeIdSchema,
  sub: nodeIdSchema,
  aud: nodeIdSchema,
  iat: secondsSchema,
  nbf: secondsSchema,
  exp: secondsSchema,
  cmd: z.literal('compute'),
  ...permissionsShape,
  policy_hash: digestSchema,
  manifest: digestSchema,
  renew_of: idSchema.optional(),
  max_renewals: z.number().int().min(0).max(MAX_RENEWALS),
  cnf: z.strictObject({ kid: nodeIdSchema }),
  epoch: z
    .number()
    .int()
    .min(0)
    .max(2 ** 31),
  status: z.strictObject({
    status_list: z.strictObject({
      idx: z
        .number()
        .int()
        .min(0)
        .max(STATUS_ENTRIES - 1),
      uri: z.string().min(1).max(128),
    }),
  }),
  rvk: digestSchema,
  prf: z.array(z.string().max(MAX_TOKEN_BYTES)).max(1),
})

export type ConsentPayload = z.output<typeof payloadSchema>

/** The token's payload for these claims. */
export function toPayload(claims: ConsentClaims): ConsentPayload {
  return {
    ver: TOKEN_VERSION,
    jti: claims.id,
    iss: claims.issuer,
    sub: claims.subject,
    aud: claims.audience,
    iat: Math.floor(claims.issuedAt / 1000),
    nbf: Math.floor(claims.notBefore / 1000),
    exp: Math.floor(claims.expires / 1000),
    cmd: 'compute',
    ...permissionsPayload(claims),
    policy_hash: claims.textDigest,
    manifest: claims.manifest,
    ...(claims.renewOf === null ? {} : { renew_of: claims.renewOf }),
    max_renewals: claims.maxRenewals,
    cnf: { kid: claims.holder },
    epoch: claims.epoch,
    status: { status_list: { idx: claims.status.index, uri: claims.status.list } },
    rvk: claims.revocation,
    prf: [...claims.parents],
  }
}

/**
 * Claims of a payload that came from outside. The version is looked at first, so that another format is named as such
 * and not as damage.
 * @throws AskeeError `consent/version` | `consent/malformed`
 */
export function fromPayload(value: unknown): ConsentClaims {
  const version = (value as { ver?: unknown } | null)?.ver
  if (typeof version === 'number' && version !== TOKEN_VERSION) {
    throw refuse('consent/version', `expected version ${TOKEN_VERSION}, received ${version}`)
  }
  const payload = parsed(value)
  const { idx: index, uri: list } = payload.status.status_list
  return {
    id: payload.jti,
    issuer: payload.iss as NodeId,
    subject: payload.sub as NodeId,
    audience: payload.aud as NodeId,
    issuedAt: payload.iat * 1000,
    notBefore: payload.nbf * 1000,
    expires: payload.exp * 1000,
    ...permissionsOf(payload),
    textDigest: payload.policy_hash,
    manifest: payload.manifest,
    renewOf: payload.renew_of ?? null,
    maxRenewals: payload.max_renewals,
    holder: payload.cnf.kid as NodeId,
    epoch: payload.epoch,
    status: { list, index },
    revocation: payload.rvk,
    parents: payload.prf,
  }
}

function parsed(value: unknown): ConsentPayload {
  try {
    return parse(value, payloadSchema)
  } catch (cause) {
    throw refuse('consent/malformed', `not a consent: ${(cause as AskeeError).message}`, {}, cause)
  }
}

/** What a token allows, as terms; its time stands in `lifetime` from its beginning to its end. */
export function termsOf(claims: ConsentClaims): ConsentTerms {
  const { permissions, purposes, data, maxRenewals, notBefore, expires } = claims
  return { permissions, purposes, data, maxRenewals, lifetime: expires - notBefore }
}
