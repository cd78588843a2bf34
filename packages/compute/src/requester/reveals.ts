import { decode, digestOf, type LeaseId, type Mesh, type NodeId, toHex } from '@askee/core'
import type { Reveal } from '../coordinator/events.ts'
import { type Receipt, verifyReceipt } from '../protocol/documents.ts'
import { revealAnswerSchema } from '../protocol/messages.ts'
import { MAX_MESSAGE_BYTES } from '../protocol/names.ts'
import { claimDigest } from '../protocol/result.ts'
import type { Campaign } from './campaign.ts'

export interface CollectedReveals {
  readonly reveals: Reveal[]
  readonly outputs: Uint8Array[]
  readonly receipts: { lease: LeaseId; document: Uint8Array }[]
  /** Reveals that are not what was asked. */
  readonly lost: { lease: LeaseId; reason: string }[]
  /** Asked and neither revealed nor denied: to be asked again. */
  readonly left: LeaseId[]
}

/**
 * What a worker's answer is worth: each receipt signed by it and about the lease, task, module and input that it was
 * given, each output the bytes that the receipt names, fetched where it is large.
 * @throws AskeeError `codec/*` when the answer does not parse
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
  const out: CollectedReveals = { reveals: [], outputs: [], receipts: [], lost: [], left: [] }
  for (const lease of answer.unknown) {
    if (left.delete(lease)) out.lost.push({ lease, reason: 'unknown-to-worker' })
  }
  for (const { receipt: document, output } of answer.reveals) {
    const receipt = fittingReceipt(campaign, node, document)
    if (receipt === undefined || !left.delete(receipt.lease)) continue
    const bytes = await outputOf(mesh, campaign, node, receipt, output)
    if (bytes === undefined) {
      out.lost.push({ lease: receipt.lease, reason: 'output-missing' })
      continue
    }
    out.outputs.push(bytes)
    out.receipts.push({ lease: receipt.lease, document })
    out.reveals.push(asReveal(receipt))
  }
  out.left.push(...left)
  return out
}

function fittingReceipt(campaign: Campaign, node: NodeId, document: Uint8Array): Receipt | undefined {
  const receipt = readReceipt(document, node)
  if (receipt === undefined) return undefined
  const { id, manifest } = campaign.signed
  const lease = campaign.state.leases[receipt.lease]
  const fits =
    lease !== undefined &&
    lease.node === node &&
    receipt.node === node &&
    receipt.campaign === id &&
    receipt.task === lease.task &&
    receipt.module === manifest.module &&
    receipt.input === campaign.inputs[lease.task] &&
    receipt.fuel <= manifest.resources.fuel
  return fits ? receipt : undefined
}

function readReceipt(document: Uint8Array, node: NodeId): Receipt | undefined {
  try {
    return verifyReceipt(document, node).value
  } catch {
    return undefined
  }
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

function asReveal(receipt: Receipt): Reveal {
  const { lease, output, trap, fuel, nonce } = receipt
  return {
    lease,
    vote: { output, trap, fuel: fuel.toString() },
    claim: claimDigest(receipt),
    nonce: toHex(nonce),
  }
}
