import { AskeeError, errorText, type NodeId, type Timestamp } from '@askee/core'
import { type Identity, publicKeyFromNodeId, signDocument, verifyDocument } from '@askee/keys'
import { z } from 'zod'
import { LOG_NAME } from '../checkpoint.ts'

const DOMAIN = 'askee/audit/beginning/1'
/** Largest signed statement. */
export const MAX_BEGINNING_BYTES = 2_048
/** Logs of before that one statement names. */
export const MAX_FORMER = 8
/** Characters of a reason: one line, and peers read it. */
const MAX_REASON = 200

const logName = z.string().regex(LOG_NAME)
const reason = z
  .string()
  .min(1)
  .max(MAX_REASON)
  .regex(/^\P{C}*$/u, 'expected one line of text')

const beginningSchema = z.strictObject({
  v: z.literal(1),
  node: z.string().max(64),
  log: logName,
  at: z.int().min(0),
  reason,
  former: z.array(z.strictObject({ log: logName, size: z.int().min(0) })).max(MAX_FORMER),
})

/** A log of before, and how far it is known to have reached. */
export interface FormerLog {
  readonly log: string
  readonly size: number
}

/**
 * That a log of a node begins, said by the node's owner. Without a former log it is a node's first; with some, the owner says
 * that those end here: a node that lost its log or was rolled back says so aloud, and is not taken for a forger for ever.
 */
export interface Beginning {
  readonly owner: NodeId
  readonly node: NodeId
  readonly log: string
  readonly at: Timestamp
  readonly reason: string
  readonly former: readonly FormerLog[]
  /** The signed statement. */
  readonly bytes: Uint8Array
}

/** @throws AskeeError `audit/reason` */
export function signBeginning(owner: Identity, beginning: Omit<Beginning, 'owner' | 'bytes'>): Beginning {
  const { success } = reason.safeParse(beginning.reason)
  if (!success) {
    throw new AskeeError('audit/reason', `expected a reason of one line, 1 to ${MAX_REASON} characters`)
  }
  const { node, log, at, former } = beginning
  const body = { v: 1, node, log, at, reason: beginning.reason, former: former.slice(-MAX_FORMER) }
  return openBeginning(signDocument(owner, DOMAIN, body))
}

/** @throws AskeeError `audit/beginning` */
export function openBeginning(bytes: Uint8Array): Beginning {
  try {
    const { signer, value } = verifyDocument(bytes, DOMAIN, beginningSchema, {
      maxBytes: MAX_BEGINNING_BYTES,
    })
    publicKeyFromNodeId(value.node)
    const { node, log, at, reason, former } = value
    return { owner: signer, node: node as NodeId, log, at, reason, former, bytes }
  } catch (cause) {
    throw new AskeeError(
      'audit/beginning',
      `not a signed statement that a log begins: ${errorText(cause)}`,
      {},
      { cause },
    )
  }
}
