import { decode, digestOf, type LeaseId, type NodeId, toHex } from '@askee/core'
import type { Reveal } from '../coordinator/events.ts'
import { type Receipt, type Receipts, verifyReceipts } from '../protocol/documents.ts'
import { revealAnswerSchema } from '../protocol/messages.ts'
import { MAX_MESSAGE_BYTES } from '../protocol/names.ts'
import { claimDigest } from '../protocol/result.ts'
import type { Campaign } from './campaign.ts'

/** One answer to a reveal, opened. */
export interface RevealRound {
  /** The signed receipts. */
  readonly document: Uint8Array
  /** Reveals whose outputs came along, and these outputs. */
  readonly shown: { readonly reveals: Reveal[]; readonly outputs: Uint8Array[] }
  /** Reveals whose outputs are to be fetched. */
  readonly large: Reveal[]
  /** Reveals that are not what was asked. */
  readonly lost: { lease: LeaseId; reason: string }[]
  /** Asked and neither revealed nor denied: to be asked again. */
  readonly left: LeaseId[]
}

/**
 * What a worker's answer is worth: receipts signed by it and about the leases, tasks, module and inputs that it was
 * given, citing the consent that the assignment cited, each output that came along the bytes that its receipt names.
 * @throws AskeeError `codec/*`, `signature/*` when the answer is no such thing
 */
export function openReveals(
  campaign: Campaign,
  node: NodeId,
  asked: readonly LeaseId[],
  body: Uint8Array,
): RevealRound {
  const answer = decode(body, revealAnswerSchema, MAX_MESSAGE_BYTES)
  const left = new Set(asked)
  const out: RevealRound = {
    document: answer.document ?? new Uint8Array(),
    shown: { reveals: [], outputs: [] },
    large: [],
    lost: [],
    left: [],
  }
  for (const lease of answer.unknown) {
    if (left.delete(lease)) out.lost.push({ lease, reason: 'unknown-to-worker' })
  }
  for (const { lease, code } of answer.refused) {
    // Whatever else a worker says here, it shows nothing.
    const reason = code.startsWith('consent/') ? code : 'withheld'
    if (left.delete(lease)) out.lost.push({ lease, reason })
  }
  if (answer.document !== null) {
    const receipts = verifyReceipts(answer.document, node).value
    const inline = new Map(answer.reveals.map(({ lease, output }) => [lease, output]))
    for (const receipt of receipts.receipts) {
      if (!fits(campaign, node, receipts, receipt) || !left.delete(receipt.lease)) continue
      const bytes = inline.get(receipt.lease) ?? null
      if (bytes === null) out.large.push(asReveal(receipts, receipt))
      else if (isOutput(campaign, receipt, bytes)) {
        out.shown.outputs.push(bytes)
        out.shown.reveals.push(asReveal(receipts, receipt))
      } else out.lost.push({ lease: receipt.lease, reason: 'output-missing' })
    }
  }
  out.left.push(...left)
  return out
}

function isOutput(campaign: Campaign, { output }: Receipt, bytes: Uint8Array): boolean {
  return bytes.byteLength <= campaign.signed.manifest.resources.outputBytes && digestOf(bytes) === output
}

function fits(campaign: Campaign, node: NodeId, receipts: Receipts, receipt: Receipt): boolean {
  const { id, manifest } = campaign.signed
  const lease = campaign.state.leases[receipt.lease]
  return (
    lease !== undefined &&
    lease.node === node &&
    receipts.node === node &&
    receipts.consent === lease.consent &&
    receipts.campaign === id &&
    receipts.module === manifest.module &&
    receipt.task === lease.task &&
    receipt.input === campaign.inputs[lease.task] &&
    receipt.fuel <= manifest.resources.fuel
  )
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
