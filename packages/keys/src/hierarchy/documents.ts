import { createHash } from 'node:crypto'
import { AskeeError, type NodeId, type Timestamp, utf8 } from '@askee/core'
import { z } from 'zod'
import type { Identity } from '../identity.ts'
import { signDocument, verifyDocument } from '../signed-document.ts'
import { CHAIN_USES, KEY_USES, type KeyUse } from './uses.ts'

const BUNDLE_DOMAIN = 'askee/key-bundle/1'
const REVOCATION_DOMAIN = 'askee/key-revocation/1'

const KID_BYTES = 16
const MAX_PUBLIC_KEY_BYTES = 133
/** A chain names no more keys than this in one revocation; `sequence` voids the rest as well. */
const MAX_KIDS = 64
export const MAX_BUNDLE_BYTES = 1024
export const MAX_REVOCATION_BYTES = 4096
/** Nobody may publish a key that is good for longer: it would outlive every revocation that was kept. */
const MAX_LIFE = 400 * 86_400_000

const kidSchema = z.string().regex(/^[0-9a-f]{32}$/)
const timestamp = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER)
const sequence = z.number().int().min(1).max(Number.MAX_SAFE_INTEGER)

const bundleSchema = z.strictObject({
  v: z.literal(1),
  kid: kidSchema,
  use: z.enum(CHAIN_USES),
  publicKey: z.instanceof(Uint8Array).refine((key) => key.byteLength <= MAX_PUBLIC_KEY_BYTES),
  notBefore: timestamp,
  expires: timestamp,
  previous: kidSchema.nullable(),
  sequence,
})

const revocationSchema = z.strictObject({
  v: z.literal(1),
  use: z.enum(KEY_USES),
  sequence: z.number().int().min(0).max(Number.MAX_SAFE_INTEGER),
  kids: z.array(kidSchema).max(MAX_KIDS),
  revokedAt: timestamp,
  until: timestamp,
  reason: z.enum(['compromised', 'lost', 'paranoid', 'ended']),
})

/** A public key and when it may be used; the node's identity signs it. */
export type KeyBundle = z.output<typeof bundleSchema>
/**
 * Every key of `use` up to `sequence` is void from now on. For `signing` it is the node's identity itself, and with it
 * all that it ever signed as a bundle.
 */
export type KeyRevocation = z.output<typeof revocationSchema>

/** The name of a key: 128 bits of a digest over use and public key, so that no two keys can share one. */
export function kidOf(use: KeyUse, publicKey: Uint8Array): string {
  const hash = createHash('sha256')
    .update(utf8(`askee/kid/1\0${use}\0`))
    .update(publicKey)
  return hash.digest('hex').slice(0, 2 * KID_BYTES)
}

export function signKeyBundle(
  identity: Identity,
  bundle: Omit<KeyBundle, 'v' | 'publicKey'> & { readonly publicKey: Uint8Array },
): Uint8Array {
  return signDocument(identity, BUNDLE_DOMAIN, { v: 1, ...bundle })
}

export function signKeyRevocation(identity: Identity, revocation: Omit<KeyRevocation, 'v'>): Uint8Array {
  const kids = revocation.kids.slice(0, MAX_KIDS)
  return signDocument(identity, REVOCATION_DOMAIN, { v: 1, ...revocation, kids })
}

/**
 * @param from when given, a bundle of any other node is refused
 * @throws AskeeError `keys/bundle-forged`, `codec/*`, `signature/*`
 */
export function verifyKeyBundle(bytes: Uint8Array, from?: NodeId): { node: NodeId; bundle: KeyBundle } {
  const options = { maxBytes: MAX_BUNDLE_BYTES, ...(from === undefined ? {} : { signer: from }) }
  const { signer, value } = verifyDocument(bytes, BUNDLE_DOMAIN, bundleSchema, options)
  if (kidOf(value.use, value.publicKey) !== value.kid) {
    throw new AskeeError('keys/bundle-forged', `the key id ${value.kid} is not the one of its key`)
  }
  if (value.expires <= value.notBefore || value.expires - value.notBefore > MAX_LIFE) {
    throw new AskeeError('keys/bundle-forged', 'expected a validity of more than 0 and at most 400 days')
  }
  return { node: signer, bundle: value }
}

/** @throws AskeeError `keys/revocation-forged`, `codec/*`, `signature/*` */
export function verifyKeyRevocation(
  bytes: Uint8Array,
  from?: NodeId,
): { node: NodeId; revocation: KeyRevocation } {
  const options = { maxBytes: MAX_REVOCATION_BYTES, ...(from === undefined ? {} : { signer: from }) }
  const { signer, value } = verifyDocument(bytes, REVOCATION_DOMAIN, revocationSchema, options)
  if (value.until < value.revokedAt) {
    throw new AskeeError('keys/revocation-forged', 'it ends before it begins')
  }
  return { node: signer, revocation: value }
}

/** Whether a bundle may be used to seal or verify at `now`. */
export function isUsable(bundle: KeyBundle, now: Timestamp): boolean {
  return bundle.notBefore <= now && now < bundle.expires
}
