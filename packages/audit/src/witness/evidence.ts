import { createHash } from 'node:crypto'
import { AskeeError, bytesEqual, decode, encode, errorText, type NodeId, toHex } from '@askee/core'
import { z } from 'zod'
import { openCheckpoint, type SignedCheckpoint } from '../checkpoint.ts'
import { verifyConsistency } from '../merkle.ts'
import { type GrowthClaim, MAX_CLAIM_BYTES, MAX_WITNESSED_CHARACTERS, openClaim } from './claim.ts'

/** Two documents with their envelope. */
export const MAX_EVIDENCE_BYTES = 16 * 1024

const note = z.string().max(MAX_WITNESSED_CHARACTERS)
const evidenceSchema = z.discriminatedUnion('kind', [
  /** Two roots of one size. */
  z.strictObject({ v: z.literal(1), kind: z.literal('fork'), kept: note, received: note }),
  /** A growth from `kept` that the owner claimed, and that is none. */
  z.strictObject({
    v: z.literal(1),
    kind: z.literal('false-growth'),
    kept: note,
    claim: z.instanceof(Uint8Array).refine((bytes) => bytes.byteLength <= MAX_CLAIM_BYTES + 256, 'too large'),
  }),
])

/**
 * That the owner of a log signed two histories of it. Everything in it is signed by that owner, so it convinces whoever holds
 * just these bytes, and nobody can make it of an honest log.
 */
export interface Evidence {
  readonly node: NodeId
  /** Which of the node's logs. */
  readonly log: string
  readonly kind: 'fork' | 'false-growth'
  readonly text: string
  readonly bytes: Uint8Array
}

/** SHA-256 of the evidence, hexadecimal. */
export function evidenceDigest({ bytes }: Evidence): string {
  return toHex(new Uint8Array(createHash('sha256').update(bytes).digest()))
}

/**
 * What a claim proves against its owner, beside a note that was kept of the same log; undefined when it proves nothing: a log
 * that grew, or a claim that speaks of another size.
 * @param kept the note that was kept
 */
export function contradiction(kept: string, claim: GrowthClaim): Evidence | undefined {
  const before = openCheckpoint(kept)
  const { checkpoint } = claim
  if (before.origin !== checkpoint.origin || before.log !== checkpoint.log) return undefined
  if (isFork(before, checkpoint)) {
    return found(before, 'fork', encode({ v: 1, kind: 'fork', kept, received: checkpoint.note }))
  }
  if (!isFalse(before, claim)) return undefined
  return found(before, 'false-growth', encode({ v: 1, kind: 'false-growth', kept, claim: claim.bytes }))
}

/**
 * Verifies evidence from its bytes alone.
 * @throws AskeeError `audit/evidence` when it does not prove what it says
 */
export function openEvidence(bytes: Uint8Array): Evidence {
  const { document, kept, received, claim } = parsed(bytes)
  if (kept.origin !== received.origin || kept.log !== received.log) {
    throw nothing('the two checkpoints are of two logs')
  }
  const proves = claim === undefined ? isFork(kept, received) : isFalse(kept, claim)
  if (!proves) throw nothing('the two documents do not contradict each other')
  return found(kept, document.kind, bytes)
}

function parsed(bytes: Uint8Array) {
  try {
    const document = decode(bytes, evidenceSchema, MAX_EVIDENCE_BYTES)
    const kept = openCheckpoint(document.kept)
    if (document.kind === 'fork') {
      return { document, kept, received: openCheckpoint(document.received), claim: undefined }
    }
    const claim = openClaim(document.claim)
    return { document, kept, received: claim.checkpoint, claim }
  } catch (cause) {
    throw new AskeeError('audit/evidence', `not evidence: ${errorText(cause)}`, {}, { cause })
  }
}

function isFork(a: SignedCheckpoint, b: SignedCheckpoint): boolean {
  return a.size === b.size && !bytesEqual(a.root, b.root)
}

/** The owner signed another root for the size of the kept note, or a proof that does not lead from it to the new one. */
function isFalse(kept: SignedCheckpoint, { from, root, proof, checkpoint }: GrowthClaim): boolean {
  if (from !== kept.size) return false
  if (!bytesEqual(root, kept.root)) return true
  return !verifyConsistency(kept.size, kept.root, checkpoint.size, checkpoint.root, proof)
}

function found({ origin, log, size }: SignedCheckpoint, kind: Evidence['kind'], bytes: Uint8Array): Evidence {
  const text =
    kind === 'fork'
      ? `two histories of ${size} entries were signed`
      : `a growth from the history of ${size} entries was claimed that is none`
  return { node: origin, log, kind, text, bytes }
}

function nothing(why: string): AskeeError {
  return new AskeeError('audit/evidence', `this proves nothing: ${why}`)
}
