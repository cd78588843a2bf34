import { AskeeError, type NodeId, type Timestamp } from '@askee/core'
import { z } from 'zod'
import type { Identity } from '../identity.ts'
import { signDocument, verifyDocument } from '../signed-document.ts'

const ADOPTION_DOMAIN = 'askee/owner-root-adoption/1'
const CERTIFICATE_DOMAIN = 'askee/owner-root-certificate/1'
const VOID_DOMAIN = 'askee/owner-root-void/1'

const MAX_BODY_BYTES = 256
/** A void holds an adoption, which is a body with signer and signature. */
export const MAX_VOID_BYTES = 1024
const MAX_ADOPTION_BYTES = 512

const timestamp = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER)
const nodeId = z.string().max(64)

const adoptionSchema = z.strictObject({ v: z.literal(1), root: nodeId, at: timestamp })
const certificateSchema = z.strictObject({ v: z.literal(1), node: nodeId, at: timestamp })
const voidSchema = z.strictObject({
  v: z.literal(1),
  node: nodeId,
  /** The node's own word that this root may speak about it: so nobody needs to know it beforehand. */
  adoption: z.instanceof(Uint8Array).refine((bytes) => bytes.byteLength <= MAX_ADOPTION_BYTES),
  at: timestamp,
  reason: z.enum(['compromised', 'lost', 'ended']),
})

export type VoidReason = z.output<typeof voidSchema>['reason']

/** That the identity of a node is void, for ever. */
export interface IdentityVoid {
  readonly node: NodeId
  readonly root: NodeId
  readonly at: Timestamp
  readonly reason: VoidReason
}

/** A node says which root may declare it void. It holds for ever: a thief of the node could take it back otherwise. */
export function signAdoption(node: Identity, root: NodeId, at: Timestamp): Uint8Array {
  return signDocument(node, ADOPTION_DOMAIN, { v: 1, root, at })
}

/** @throws AskeeError `codec/*`, `signature/*` */
export function verifyAdoption(bytes: Uint8Array): { readonly node: NodeId; readonly root: NodeId } {
  const options = { maxBytes: MAX_BODY_BYTES }
  const { signer, value } = verifyDocument(bytes, ADOPTION_DOMAIN, adoptionSchema, options)
  return { node: signer, root: value.root as NodeId }
}

/** The root says that a node is its owner's. */
export function certifyNode(root: Identity, node: NodeId, at: Timestamp): Uint8Array {
  return signDocument(root, CERTIFICATE_DOMAIN, { v: 1, node, at })
}

/** @throws AskeeError `codec/*`, `signature/*` */
export function verifyCertifiedNode(bytes: Uint8Array): {
  readonly node: NodeId
  readonly root: NodeId
  readonly at: Timestamp
} {
  const options = { maxBytes: MAX_BODY_BYTES }
  const { signer, value } = verifyDocument(bytes, CERTIFICATE_DOMAIN, certificateSchema, options)
  return { node: value.node as NodeId, root: signer, at: value.at }
}

/**
 * The root declares a node void that adopted it, as when its machine is lost.
 * @param adoption signed by the node
 * @throws AskeeError `keys/not-adopted` when it adopted another root
 */
export function signIdentityVoid(
  root: Identity,
  adoption: Uint8Array,
  init: { readonly at: Timestamp; readonly reason: VoidReason },
): Uint8Array {
  const { node } = adoptedBy(root.id, adoption)
  return signDocument(root, VOID_DOMAIN, { v: 1, node, adoption, ...init })
}

/**
 * Needs nothing but the document: both the root and the node have signed in it.
 * @throws AskeeError `keys/not-adopted` when the node never gave that root the right, `codec/*`, `signature/*`
 */
export function verifyIdentityVoid(bytes: Uint8Array): IdentityVoid {
  const { signer: root, value } = verifyDocument(bytes, VOID_DOMAIN, voidSchema, { maxBytes: MAX_VOID_BYTES })
  const { node } = adoptedBy(root, value.adoption)
  if (node !== value.node) {
    throw new AskeeError('keys/not-adopted', `${value.node} did not adopt the root ${root}; ${node} did`)
  }
  return { node, root, at: value.at, reason: value.reason }
}

function adoptedBy(root: NodeId, adoption: Uint8Array): { readonly node: NodeId } {
  const adopted = verifyAdoption(adoption)
  if (adopted.root === root) return adopted
  throw new AskeeError('keys/not-adopted', `${adopted.node} adopted the root ${adopted.root}, not ${root}`)
}
