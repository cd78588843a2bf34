import type { LeaseId, Mesh } from '@askee/core'
import type { Identity } from '@askee/keys'
import { signReceipt } from '../protocol/documents.ts'
import type { RevealAnswer } from '../protocol/messages.ts'
import { BATCH_PAYLOAD_BYTES, INLINE_OUTPUT_BYTES } from '../protocol/names.ts'
import type { Materials } from './materials.ts'
import type { WorkerLease } from './state.ts'

/** Room that a receipt takes. */
const RECEIPT_BYTES = 1024

/**
 * Signed receipts and outputs of committed leases, as many as fit in one message: the requester asks again for the
 * rest. Large outputs are put up as blocks.
 */
export async function revealOf(
  { mesh, identity }: { readonly mesh: Mesh; readonly identity: Identity },
  held: readonly { readonly lease: WorkerLease; readonly materials: Materials }[],
  unknown: readonly LeaseId[],
): Promise<RevealAnswer> {
  const reveals: RevealAnswer['reveals'] = []
  let size = 0
  for (const { lease, materials } of held) {
    const { result, signed, input } = materials
    if (result === null) continue
    const inline = result.output.byteLength <= INLINE_OUTPUT_BYTES
    size += RECEIPT_BYTES + (inline ? result.output.byteLength : 0)
    if (reveals.length > 0 && size > BATCH_PAYLOAD_BYTES) break
    if (!inline) await mesh.putBlock(result.output)
    const receipt = signReceipt(identity, {
      v: 1,
      campaign: lease.campaign,
      task: lease.task,
      lease: lease.id,
      consent: lease.consent,
      node: identity.id,
      module: signed.manifest.module,
      input,
      output: result.outputDigest,
      trap: result.trap,
      fuel: result.fuel,
      nonce: result.nonce,
    })
    reveals.push({ receipt, output: inline ? result.output : null })
  }
  return { reveals, unknown: [...unknown] }
}
