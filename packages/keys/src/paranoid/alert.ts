import type { NodeId, Timestamp } from '@askee/core'
import { z } from 'zod'
import type { Identity } from '../identity.ts'
import { signDocument, verifyDocument } from '../signed-document.ts'

const ALERT_DOMAIN = 'askee/paranoid-alert/1'
const MAX_ALERT_BYTES = 1024

const alertSchema = z.strictObject({
  v: z.literal(1),
  action: z.enum(['enter', 'leave']),
  /** The node that it is for: an alert for one says nothing to another. */
  node: z.string().max(64),
  /** Higher than of any alert before. */
  sequence: z.number().int().min(1).max(Number.MAX_SAFE_INTEGER),
  at: z.number().int().min(0).max(Number.MAX_SAFE_INTEGER),
  reason: z.string().max(200),
})

/** Sends a node into paranoid mode or out of it. */
export interface Alert {
  readonly action: 'enter' | 'leave'
  readonly node: NodeId
  readonly sequence: number
  readonly at: Timestamp
  /** For people; at most 200 characters. */
  readonly reason: string
}

/** Signs an alert. Its sequence is its time, or what `Conversations.nextAlert` says. */
export function signAlert(identity: Identity, alert: Alert): Uint8Array {
  return signDocument(identity, ALERT_DOMAIN, { v: 1, ...alert })
}

/** @throws AskeeError `codec/*`, `signature/*` */
export function verifyAlert(bytes: Uint8Array): { signer: NodeId; alert: Alert } {
  const { signer, value } = verifyDocument(bytes, ALERT_DOMAIN, alertSchema, { maxBytes: MAX_ALERT_BYTES })
  const { v: _, ...alert } = value
  return { signer, alert: { ...alert, node: alert.node as NodeId } }
}
