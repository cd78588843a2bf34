import { AskeeError, errorText } from '@askee/core'
import { type Identity, signDocument, verifyDocument } from '@askee/keys'
import { z } from 'zod'
import { openCheckpoint, type SignedCheckpoint } from '../checkpoint.ts'
import { type Hash, MAX_PROOF_HASHES } from '../merkle.ts'

const DOMAIN = 'askee/audit/growth/1'
/**
 * Largest note that a witness looks at and keeps: a checkpoint with some twenty signatures. Each is verified, and each log has
 * its place on the witness's disk, so a stranger must not choose how large that is.
 */
export const MAX_WITNESSED_CHARACTERS = 4_096
export const MAX_CLAIM_BYTES = 8 * 1024

const hash = z.instanceof(Uint8Array).refine((bytes) => bytes.byteLength === 32, 'expected 32 bytes')

const claimSchema = z.strictObject({
  note: z.string().max(MAX_WITNESSED_CHARACTERS),
  /** The size that the witness is thought to know; 0 when none. */
  from: z.int().min(0),
  /** The log's root at that size. */
  root: hash,
  /** That the log of `from` entries is the beginning of this one. */
  proof: z.array(hash).max(MAX_PROOF_HASHES),
})

/**
 * A log's owner says that a checkpoint grew from an earlier state, with the proof, and signs the whole. Were only the note
 * signed, a proof that fails would prove nothing against anybody: whoever passed it on could have spoilt it.
 */
export interface GrowthClaim {
  readonly checkpoint: SignedCheckpoint
  readonly from: number
  readonly root: Hash
  readonly proof: readonly Hash[]
  /** The signed document. */
  readonly bytes: Uint8Array
}

export function signClaim(
  node: Identity,
  claim: { note: string; from: number; root: Hash; proof: readonly Hash[] },
): Uint8Array {
  return signDocument(node, DOMAIN, claim)
}

/** @throws AskeeError `audit/claim`, `audit/checkpoint`, `audit/signature`, `audit/origin` */
export function openClaim(bytes: Uint8Array): GrowthClaim {
  const { signer, value } = verified(bytes)
  const checkpoint = openCheckpoint(value.note)
  if (checkpoint.origin !== signer) {
    throw new AskeeError('audit/origin', `${signer} speaks for the log of ${checkpoint.origin}`)
  }
  const { from, root, proof } = value
  return { checkpoint, from, root, proof, bytes }
}

function verified(bytes: Uint8Array) {
  try {
    return verifyDocument(bytes, DOMAIN, claimSchema, { maxBytes: MAX_CLAIM_BYTES })
  } catch (cause) {
    throw new AskeeError('audit/claim', `not a signed claim of growth: ${errorText(cause)}`, {}, { cause })
  }
}
