import { decode, digestOf, type LeaseId, type Mesh, type NodeId, toHex } from '@askee/core'
import type { Reveal } from '../coordinator/events.ts'
import { type Receipt, type Receipts, verifyReceipts } from '../protocol/documents.ts'
import { revealAnswerSchema } from '../protocol/messages.ts'
import { MAX_MESSAGE_BYTES } from '../protocol/names.ts'
import { claimDigest } from '../protocol/result.ts'
import type { Campaign } from './campaign.ts'

export interface CollectedReveals {
  readonly reveals: Reveal[]
  readonly outputs: Uint8Array[]
  /** The signed receipts. */
  readonly document: Uint8Array
  /** Reveals that are not what was asked. */
  readonly lost: { lease: LeaseId; reason: string }[]
  /** Asked and neither revealed nor denied: to be asked again. */
  readonly left: LeaseId[]
}

/**
 * What a worker's answer is worth: receipts signed by it and about the leases, tasks, module and inputs that it was
 * given, each output the bytes that its receipt names, fetched where it is large.
 * @throws AskeeError `codec/*`, `signature/*` when the answer is no such thing
 */
export async function collectReveals(
  mesh: Mesh,
  campaign: Campaign,
  node: NodeId,
  asked: readonly LeaseId[],
  body: Uint8Array,
): Promise<CollectedReveals> {
  const answer = decode(body, revealAnswerSchema, MAX_MESSAGE_BYTES)
  const left = new Set(asked)
  const document = answer.document ?? new Uint8Array()
  const out: CollectedReveals = { reveals: [], outputs: [], document, lost: [], left: [] }
  for (const lease of answer.unknown) {
    if (left.delete(lease)) out.lost.push({ lease, reason: 'unknown-to-worker' })
  }
  if (answer.document !== null) {
    const receipts = verifyReceipts(answer.document, node).value
    const inline = new Map(answer.reveals.map(({ lease, output }) => [lease, output]))
    for (const receipt of receipts.receipts) {
      if (!fits(campaign, node, receipts, receipt) || !left.delete(receipt.lease)) continue
      const bytes = await outputOf(mesh, campaign, node, receipt, inline.get(receipt.lease) ?? null)
      if (bytes === undefined) out.lost.push({ lease: receipt.lease, reason: 'output-missing' })
      else {
        out.outputs.push(bytes)
        out.reveals.push(asReveal(receipts, receipt))
      }
    }
  }
  out.left.push(...left)
  return out
}

function fits(campaign: Campaign, node: NodeId, receipts: Receipts, receipt: Receipt): boolean {
  const { id, manifest } = campaign.signed
  const lease = campaign.state.leases[receipt.lease]
  return (
    lease !== undefined &&
    lease.node === node &&
    receipts.node === node &&
    receipts.campaign === id &&
    receipts.module === manifest.module &&
    receipt.task === lease.task &&
    receipt.input === campaign.inputs[lease.task] &&
    receipt.fuel <= manifest.resources.fuel
  )
}

async function outputOf(
  mesh: Mesh,
  campaign: Campaign,
  node: NodeId,
  receipt: Receipt,
  inline: Uint8Array | null,
): Promise<Uint8Array | undefined> {
  const maxBytes = campaign.signed.manifest.resources.outputBytes
  const bytes =
    inline ??
    (await mesh
      .getBlock(receipt.output, { providers: [node], maxBytes, signal: campaign.abort.signal })
      .catch(() => undefined))
  if (bytes === undefined || bytes.byteLength > maxBytes) return undefined
  return digestOf(bytes) === receipt.output ? bytes : undefined
}

function asReveal({ module }: Receipts, receipt: Receipt): Reveal {
  const { lease, input, output, trap, fuel, nonce } = receipt
  return {
    lease,
    vote: { output, trap, fuel: fuel.toString() },
    claim: claimDigest({ module, input, output, trap, fuel }),
    nonce: toHex(nonce),
  }
}
