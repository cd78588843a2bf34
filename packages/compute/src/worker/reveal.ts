import type { CampaignId, LeaseId } from '@askee/core'
import type { Identity } from '@askee/keys'
import { MAX_RECEIPTS, type Receipt, signReceipts } from '../protocol/documents.ts'
import type { RevealAnswer } from '../protocol/messages.ts'
import { BATCH_PAYLOAD_BYTES, INLINE_OUTPUT_BYTES, REVEAL_OUTPUT_BYTES } from '../protocol/names.ts'
import type { GatedWork } from './gated-work.ts'
import type { CommittedResult, Materials } from './materials.ts'
import type { WorkerLease } from './state.ts'

export interface HeldResult {
  readonly lease: WorkerLease
  readonly materials: Materials
  readonly result: CommittedResult
}

/**
 * Signed receipts and outputs of committed leases of one campaign, as many as fit in one document and message: the
 * requester asks again for the rest. Large outputs are put up as blocks.
 */
export async function revealOf(
  { gated, identity }: { readonly gated: GatedWork; readonly identity: Identity },
  campaign: CampaignId,
  held: readonly HeldResult[],
  unknown: readonly LeaseId[],
  refused: RevealAnswer['refused'] = [],
): Promise<RevealAnswer> {
  const first = held[0]
  if (first === undefined) return { document: null, reveals: [], unknown: [...unknown], refused }
  const reveals: RevealAnswer['reveals'] = []
  const receipts: Receipt[] = []
  let size = 0
  let total = 0
  for (const { lease, materials, result } of held) {
    // A document cites one consent.
    if (lease.consent !== first.lease.consent) continue
    const { output, outputBytes, outputDigest, trap, fuel, nonce } = result
    const inline = outputBytes <= INLINE_OUTPUT_BYTES
    size += inline ? outputBytes : 0
    total += outputBytes
    const full = size > BATCH_PAYLOAD_BYTES || total > REVEAL_OUTPUT_BYTES
    if (receipts.length === MAX_RECEIPTS || (receipts.length > 0 && full)) break
    const { manifest } = materials.signed
    if (!inline && output !== null) await gated.show({ consent: lease.consent, campaign, manifest }, output)
    receipts.push({
      task: lease.task,
      lease: lease.id,
      input: materials.input,
      output: outputDigest,
      trap,
      fuel,
      nonce,
    })
    reveals.push({ lease: lease.id, output: inline ? output : null })
  }
  const document = signReceipts(identity, {
    v: 1,
    campaign,
    node: identity.id,
    consent: first.lease.consent,
    module: first.materials.signed.manifest.module,
    receipts,
  })
  return { document, reveals, unknown: [...unknown], refused }
}
