import { hash } from 'node:crypto'
import { AskeeError, bytesEqual, type NodeId } from '@askee/core'
import { z } from 'zod'
import type { Identity } from '../identity.ts'
import { signDocument, verifyDocument } from '../signed-document.ts'

const DOMAIN = 'askee/session-checkpoint/1'
const LEAF_BYTES = 32
export const MAX_CHECKPOINT_BYTES = 512
/** Messages that one checkpoint covers at most. */
export const MAX_LEAVES = 256

const bytes = (length: number): z.ZodType<Uint8Array> =>
  z.instanceof(Uint8Array).refine((value) => value.byteLength === length)
const counted = z.number().int().min(1).max(Number.MAX_SAFE_INTEGER)

const schema = z.strictObject({
  v: z.literal(1),
  sid: z.string().regex(/^[0-9a-f]{32}$/),
  conv: z.string().max(64),
  to: z
    .string()
    .max(64)
    .transform((id) => id as NodeId),
  direction: z.literal([0, 1]),
  /** Of the session's opening, and with it of both identities and keys. */
  handshake: bytes(32),
  first: counted,
  last: counted,
  /** SHA-256 over the leaves of the messages from `first` to `last`. */
  root: bytes(32),
  at: z.number().int().min(0).max(Number.MAX_SAFE_INTEGER),
})
export type Checkpoint = z.output<typeof schema>

/** A signed checkpoint with what it covers. */
export interface CoveredMessages {
  readonly document: Uint8Array
  /** One after the other, 32 bytes each. */
  readonly leaves: Uint8Array
}

/**
 * What stands for a message in a checkpoint: SHA-256 of the frame as it travels, whose keys are those of the session for both
 * sides. As text of 32 characters, one a byte: hundreds wait in each session, and as arrays they take four times the room.
 */
export function leafOf(frame: Uint8Array): string {
  return hash('sha256', frame, 'binary')
}

export function rootOf(leaves: Uint8Array): Uint8Array {
  return hash('sha256', leaves, 'buffer')
}

export function signCheckpoint(identity: Identity, checkpoint: Omit<Checkpoint, 'v'>): Uint8Array {
  return signDocument(identity, DOMAIN, { v: 1, ...checkpoint })
}

/**
 * A checkpoint of `signer` whose leaves are the ones given.
 * @throws AskeeError `session/checkpoint-signature`, `session/checkpoint-leaves`
 */
export function verifyCheckpoint({ document, leaves }: CoveredMessages, signer: NodeId): Checkpoint {
  const checkpoint = verified(document, signer)
  const count = checkpoint.last - checkpoint.first + 1
  if (count < 1 || count > MAX_LEAVES || leaves.byteLength !== count * LEAF_BYTES) {
    throw new AskeeError('session/checkpoint-leaves', `expected ${count} leaves of ${LEAF_BYTES} bytes`)
  }
  if (!bytesEqual(rootOf(leaves), checkpoint.root)) {
    throw new AskeeError('session/checkpoint-leaves', 'the leaves are not those that were signed')
  }
  return checkpoint
}

function verified(document: Uint8Array, signer: NodeId): Checkpoint {
  try {
    return verifyDocument(document, DOMAIN, schema, { maxBytes: MAX_CHECKPOINT_BYTES, signer }).value
  } catch (cause) {
    throw new AskeeError(
      'session/checkpoint-signature',
      `no checkpoint that ${signer} signed`,
      { cause: cause instanceof AskeeError ? cause.code : 'internal' },
      { cause },
    )
  }
}

/** The leaf at a place of a checkpoint, the first is 0. */
export function leafAt(leaves: Uint8Array, index: number): string {
  const view = Buffer.from(leaves.buffer, leaves.byteOffset, leaves.byteLength)
  return view.toString('latin1', index * LEAF_BYTES, (index + 1) * LEAF_BYTES)
}

/** Leaves as a checkpoint carries them. */
export function joinLeaves(leaves: readonly string[]): Uint8Array {
  return Buffer.from(leaves.join(''), 'latin1')
}
