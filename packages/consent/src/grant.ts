import { createPrivateKey } from 'node:crypto'
import { AskeeError, type Clock, type Milliseconds, type NodeId, type Random, toHex } from '@askee/core'
import type { Identity } from '@askee/keys'
import { CompactSign } from 'jose'
import {
  type ConsentClaims,
  type ConsentPermissions,
  fromPayload,
  MAX_LIFETIME_MS,
  TOKEN_TYPE,
  toPayload,
} from './token.ts'

/** What the volunteer agreed to. */
export interface ConsentGrant {
  readonly subject: NodeId
  readonly audience: NodeId
  readonly lifetime: Milliseconds
  readonly permissions: ConsentPermissions
  readonly purpose: string
  /** SHA-256 of the exact text shown, hexadecimal. */
  readonly textDigest: string
}

/** Ed25519 seed as PKCS#8 (RFC 8410), the form the token library takes. */
const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex')

/**
 * Signs a consent with the volunteer's key.
 * @throws AskeeError `consent/malformed` when a limit is out of range, `consent/limits` when it would live too long
 */
export async function grantConsent(
  components: { volunteer: Identity; clock: Clock; random: Random },
  grant: ConsentGrant,
): Promise<{ token: string; claims: ConsentClaims }> {
  if (!(grant.lifetime >= 1000 && grant.lifetime <= MAX_LIFETIME_MS)) {
    throw new AskeeError(
      'consent/limits',
      `expected a lifetime of 1 s to 366 days, received ${grant.lifetime} ms`,
    )
  }
  const now = components.clock.now()
  const payload = toPayload({
    id: toHex(components.random.bytes(16)),
    issuer: components.volunteer.id,
    subject: grant.subject,
    audience: grant.audience,
    issuedAt: now,
    notBefore: now,
    expires: now + grant.lifetime,
    permissions: grant.permissions,
    purpose: grant.purpose,
    textDigest: grant.textDigest,
  })
  const claims = fromPayload(payload)
  const key = createPrivateKey({
    key: Buffer.concat([PKCS8_PREFIX, components.volunteer.exportSeed()]),
    format: 'der',
    type: 'pkcs8',
  })
  const token = await new CompactSign(new TextEncoder().encode(JSON.stringify(payload)))
    .setProtectedHeader({ alg: 'EdDSA', typ: TOKEN_TYPE, kid: components.volunteer.id })
    .sign(key)
  return { token, claims }
}
