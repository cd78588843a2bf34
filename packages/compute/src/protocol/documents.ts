import type { NodeId } from '@askee/core'
import { type Identity, type SignedDocument, signDocument, verifyDocument } from '@askee/keys'
import { z } from 'zod'
import {
  bytesField,
  campaignField,
  consentField,
  digestField,
  fuelField,
  leaseField,
  nodeField,
  trapField,
} from './fields.ts'
import { MAX_BATCH } from './names.ts'

const COMMITMENT_DOMAIN = 'askee/commitment/1'
const RECEIPTS_DOMAIN = 'askee/receipts/1'
const SETTLEMENT_DOMAIN = 'askee/settlement/1'

const MAX_COMMITMENT_BYTES = 128 * 1024
/** Receipts under one signature: a verification costs as much as everything else about a receipt together. */
export const MAX_RECEIPTS = 128
export const MAX_RECEIPTS_BYTES = 64 * 1024
const MAX_SETTLEMENT_BYTES = 128 * 1024

const commitmentSchema = z.strictObject({
  v: z.literal(1),
  campaign: campaignField,
  /** One signature covers a batch: signing each alone would cost a tenth of the throughput. */
  commitments: z
    .array(z.strictObject({ lease: leaseField, hash: digestField }))
    .min(1)
    .max(MAX_BATCH),
})

const receiptsSchema = z.strictObject({
  v: z.literal(1),
  campaign: campaignField,
  node: nodeField,
  consent: consentField,
  module: digestField,
  receipts: z
    .array(
      z.strictObject({
        task: z.number().int().nonnegative(),
        lease: leaseField,
        input: digestField,
        output: digestField,
        trap: trapField,
        fuel: fuelField,
        /** Opens the commitment; with it, receipt and commitment alone prove a broken promise to anybody. */
        nonce: bytesField(32),
      }),
    )
    .min(1)
    .max(MAX_RECEIPTS),
})

const settlementSchema = z.strictObject({
  v: z.literal(1),
  campaign: campaignField,
  settlements: z
    .array(
      z.strictObject({
        lease: leaseField,
        /** `cancelled`: not needed any more; says nothing about the work. */
        outcome: z.enum(['accepted', 'rejected', 'cancelled']),
        credit: fuelField,
        /** Digest of the signed receipts that the credit is for (CMP-6). */
        receipt: digestField.nullable(),
      }),
    )
    .min(1)
    .max(MAX_BATCH),
})

/** What a worker committed to, in one signed batch. */
export type Commitment = z.output<typeof commitmentSchema>
/** What a worker did, under which consent, and what came out (CMP-6): a batch under one signature. */
export type Receipts = z.output<typeof receiptsSchema>
export type Receipt = Receipts['receipts'][number]
/** How the requester decided. */
export type Settlement = z.output<typeof settlementSchema>

export function signCommitment(identity: Identity, value: Commitment): Uint8Array {
  return signDocument(identity, COMMITMENT_DOMAIN, value)
}

/** @throws AskeeError `codec/*`, `signature/*` */
export function verifyCommitment(bytes: Uint8Array, signer: NodeId): SignedDocument<Commitment> {
  return verifyDocument(bytes, COMMITMENT_DOMAIN, commitmentSchema, {
    maxBytes: MAX_COMMITMENT_BYTES,
    signer,
  })
}

export function signReceipts(identity: Identity, value: Receipts): Uint8Array {
  return signDocument(identity, RECEIPTS_DOMAIN, value)
}

/** @throws AskeeError `codec/*`, `signature/*` */
export function verifyReceipts(bytes: Uint8Array, signer: NodeId): SignedDocument<Receipts> {
  return verifyDocument(bytes, RECEIPTS_DOMAIN, receiptsSchema, { maxBytes: MAX_RECEIPTS_BYTES, signer })
}

export function signSettlement(identity: Identity, value: Settlement): Uint8Array {
  return signDocument(identity, SETTLEMENT_DOMAIN, value)
}

/** @throws AskeeError `codec/*`, `signature/*` */
export function verifySettlement(bytes: Uint8Array, signer: NodeId): SignedDocument<Settlement> {
  return verifyDocument(bytes, SETTLEMENT_DOMAIN, settlementSchema, {
    maxBytes: MAX_SETTLEMENT_BYTES,
    signer,
  })
}
