import { type AskeeError, type Milliseconds, type NodeId, parse, type Timestamp } from '@askee/core'
import type { Identity } from '@askee/keys'
import { z } from 'zod'
import { refuse } from '../errors.ts'
import {
  type ConsentTerms,
  idSchema,
  MAX_LIFETIME_MS,
  MAX_RENEWALS,
  nodeIdSchema,
  permissionsOf,
  permissionsPayload,
  permissionsShape,
  secondsSchema,
} from '../terms.ts'
import { digestOfText } from '../token/grant.ts'
import { openJws, signJws } from '../token/jws.ts'

/** `typ` of a manifest. */
const MANIFEST_TYPE = 'consent-manifest+jwt'
/** Longest accepted manifest. */
const MAX_MANIFEST_BYTES = 6144

/** What a requester asks of a volunteer, signed; nothing of it holds until a person has read it and granted. */
export interface ConsentManifest {
  readonly id: string
  /** Who signed it: the requester, or the volunteer who wrote down what it is ready to give. */
  readonly author: NodeId
  readonly requester: NodeId
  /** What the requester calls itself; not verified by this document. */
  readonly name: string | null
  /** The domain that the requester says is its own; not verified by this document. */
  readonly domain: string | null
  readonly terms: ConsentTerms
  readonly issuedAt: Timestamp
  /** A grant must come before. */
  readonly until: Timestamp
}

const payloadSchema = z.strictObject({
  ver: z.literal(1),
  jti: idSchema,
  iss: nodeIdSchema,
  aud: nodeIdSchema,
  iat: secondsSchema,
  exp: secondsSchema,
  name: z.string().min(1).max(100).optional(),
  domain: z
    .string()
    .max(253)
    .regex(/^[a-z0-9-]+(\.[a-z0-9-]+)+$/)
    .optional(),
  ...permissionsShape,
  lifetime_s: z
    .number()
    .int()
    .min(1)
    .max(MAX_LIFETIME_MS / 1000),
  max_renewals: z.number().int().min(0).max(MAX_RENEWALS),
})

/** What is asked, and how long the asking stands. */
export interface ManifestDraft {
  readonly id: string
  readonly now: Timestamp
  readonly requester: NodeId
  readonly name?: string
  readonly domain?: string
  readonly terms: ConsentTerms
  readonly validFor: Milliseconds
}

/**
 * Signs a manifest.
 * @throws AskeeError `consent/malformed` when a field is out of range
 */
export function signConsentManifest(author: Identity, draft: ManifestDraft): string {
  const { name, domain, terms } = draft
  const payload = {
    ver: 1,
    jti: draft.id,
    iss: author.id,
    aud: draft.requester,
    iat: Math.floor(draft.now / 1000),
    exp: Math.floor((draft.now + draft.validFor) / 1000),
    ...(name === undefined ? {} : { name }),
    ...(domain === undefined ? {} : { domain }),
    ...permissionsPayload(terms),
    lifetime_s: Math.floor(terms.lifetime / 1000),
    max_renewals: terms.maxRenewals,
  }
  parsed(payload)
  return signJws(author, MANIFEST_TYPE, payload)
}

/**
 * A manifest whose signature was checked, and its SHA-256.
 * @throws AskeeError with a ConsentErrorCode
 */
export function verifyConsentManifest(text: string): { manifest: ConsentManifest; digest: string } {
  const opened = openJws(text, MANIFEST_TYPE, MAX_MANIFEST_BYTES)
  const version = (opened.payload as { ver?: unknown }).ver
  if (typeof version === 'number' && version !== 1) {
    throw refuse('consent/version', `expected a manifest of version 1, received ${version}`)
  }
  const payload = parsed(opened.payload)
  opened.verify()
  const { max_renewals: maxRenewals, lifetime_s: seconds } = payload
  return {
    digest: digestOfText(text),
    manifest: {
      id: payload.jti,
      author: payload.iss as NodeId,
      requester: payload.aud as NodeId,
      name: payload.name ?? null,
      domain: payload.domain ?? null,
      terms: { ...permissionsOf(payload), lifetime: seconds * 1000, maxRenewals },
      issuedAt: payload.iat * 1000,
      until: payload.exp * 1000,
    },
  }
}

function parsed(value: unknown): z.output<typeof payloadSchema> {
  try {
    return parse(value, payloadSchema)
  } catch (cause) {
    throw refuse('consent/malformed', `not a manifest: ${(cause as AskeeError).message}`, {}, cause)
  }
}
