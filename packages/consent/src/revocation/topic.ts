import type { Clock, ProtocolLimits, ProtocolName, TopicName, TopicRules } from '@askee/core'
import { MAX_CERTIFICATE_BYTES, verifyCertificate } from './certificate.ts'
import { MAX_LIST_BYTES } from './status-list.ts'

/** Where revocations are told: certificates, nothing else. */
export const REVOCATION_TOPIC: TopicName = '/askee/topic/revocations/1'

/** Takes a certificate, so that who is told for certain can say that it knows. */
export const REVOCATION_PROTOCOL: ProtocolName = '/askee/consent/revocation/1'
/** Gives the signed status list of the node that is asked. */
export const STATUS_PROTOCOL: ProtocolName = '/askee/consent/status/1'
/** What is asked and told between two nodes, beside gossip and records. */
export const CONSENT_PROTOCOLS: readonly ProtocolName[] = [REVOCATION_PROTOCOL, STATUS_PROTOCOL]

/** A volunteer revokes now and then, and perhaps all at once; to verify a certificate costs 0.3 ms. */
const PER_SECOND = 2
const BURST = 100

export const REVOCATION_LIMITS: ProtocolLimits = {
  maxRequestBytes: MAX_CERTIFICATE_BYTES,
  maxResponseBytes: 64,
  ratePerSecond: PER_SECOND,
  burst: BURST,
  concurrency: 4,
}
export const STATUS_LIMITS: ProtocolLimits = {
  maxRequestBytes: 0,
  maxResponseBytes: MAX_LIST_BYTES,
  ratePerSecond: 1,
  burst: 10,
  concurrency: 2,
}

/** Namespaces of signed records on the mesh. */
export const REVOCATION_RECORDS = 'consent-revocation'
export const STATUS_RECORDS = 'consent-status'

/**
 * The topic of revocations with its rules, to be declared when the mesh is made. What is no certificate is rejected, at
 * its author's cost; what is over, or signed later than now, is dropped without blame. What is known is passed on all the
 * same: it is said again for those whom a split of the mesh kept from hearing it.
 */
export function consentTopics(clock: Clock): ReadonlyMap<TopicName, TopicRules> {
  return new Map([
    [
      REVOCATION_TOPIC,
      {
        maxBytes: MAX_CERTIFICATE_BYTES,
        expectedRatePerSecond: 1,
        authorRatePerSecond: PER_SECOND,
        authorBurst: BURST,
        validate: ({ body }) => {
          const certificate = verifyCertificate(textOf(body))
          const now = clock.now()
          const isOver = now >= certificate.until || certificate.issuedAt > now + MAX_AHEAD_MS
          return isOver ? 'ignore' : 'accept'
        },
      },
    ],
  ])
}

/** How far ahead the clock of an honest node may be. */
const MAX_AHEAD_MS = 120_000

/** The text of a message; what is no ASCII is no JWS. */
export function textOf(body: Uint8Array): string {
  return Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('latin1')
}
