import {
  AskeeError,
  type AuditSink,
  type Clock,
  decode,
  encode,
  type NodeId,
  type Timestamp,
} from '@askee/core'
import {
  type Identity,
  type IdentityVoid,
  type KeyStore,
  publicKeyFromNodeId,
  signAdoption,
  type VoidBook,
  verifyAdoption,
  verifyCertifiedNode,
} from '@askee/keys'
import { z } from 'zod'

export interface OwnerRootComponents {
  readonly identity: Identity
  readonly store: KeyStore
  readonly voids: VoidBook
  readonly audit: AuditSink
  readonly clock: Clock
}

/** What ties this node to its owner's root. The root itself is never here. */
export interface OwnerRootTie {
  readonly root: NodeId
  /** When the root said that this node is its owner's. */
  readonly certifiedAt: Timestamp
}

export interface OwnerRoot {
  /** The last root that was kept, or null. */
  tie(): OwnerRootTie | null
  /** This node's word that the root may declare it void; for ever, wherever that word is. Written into the audit log first. */
  adopt(root: NodeId): Promise<Uint8Array>
  /**
   * Keeps what both said of each other.
   * @throws AskeeError `agent/owner-root` when one of them is of another node or root, `codec/*`, `signature/*`
   */
  keep(certificate: Uint8Array, adoption: Uint8Array): Promise<OwnerRootTie>
  /** Takes a void of any node that its root signed, and tells the mesh. @throws AskeeError as `VoidBook.publish` */
  publish(document: Uint8Array): Promise<IdentityVoid>
}

/** Name in the key store; goes into a backup. */
export const OWNER_ROOT = 'owner-root'
const MAX_BYTES = 4096
const keptSchema = z.strictObject({
  v: z.literal(1),
  certificate: z.instanceof(Uint8Array),
  adoption: z.instanceof(Uint8Array),
})

/** Opens what is kept. @throws AskeeError as `OwnerRoot.keep` */
export async function openOwnerRoot(components: OwnerRootComponents): Promise<OwnerRoot> {
  const { identity, store, voids, audit, clock } = components
  const tied = (certificate: Uint8Array, adoption: Uint8Array): OwnerRootTie => {
    const certified = verifyCertifiedNode(certificate)
    const adopted = verifyAdoption(adoption)
    if (certified.node !== identity.id || adopted.node !== identity.id || certified.root !== adopted.root) {
      throw new AskeeError(
        'agent/owner-root',
        `expected ${identity.id} and its root to name each other, received ${certified.root} for ${certified.node} and ${adopted.node} for ${adopted.root}`,
      )
    }
    return { root: certified.root, certifiedAt: certified.at }
  }
  const kept = await store.read(OWNER_ROOT)
  let held: OwnerRootTie | null = null
  if (kept !== undefined) {
    const { certificate, adoption } = decode(kept, keptSchema, MAX_BYTES)
    held = tied(certificate, adoption)
  }

  return {
    tie: () => held,
    async adopt(root) {
      // Refuses what is no id.
      publicKeyFromNodeId(root)
      await audit.append({
        action: 'key.root-adopted',
        subject: 'system',
        outcome: 'done',
        content: { root },
      })
      return signAdoption(identity, root, clock.now())
    },
    async keep(certificate, adoption) {
      const tie = tied(certificate, adoption)
      await store.replace(OWNER_ROOT, encode({ v: 1, certificate, adoption }))
      held = tie
      return tie
    },
    publish: (document) => voids.publish(document),
  }
}
