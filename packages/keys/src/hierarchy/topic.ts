import { AskeeError, type Clock, decode, encode, type TopicName, type TopicRules } from '@askee/core'
import { z } from 'zod'
import { verifyIdentityVoid } from '../owner-root/documents.ts'
import { MAX_BUNDLE_BYTES, MAX_REVOCATION_BYTES, verifyKeyBundle, verifyKeyRevocation } from './documents.ts'

/** Where nodes tell of their new and of their void keys. */
export const KEYS_TOPIC: TopicName = '/askee/topic/keys/1'

const ENVELOPE = 512
export const MAX_ANNOUNCEMENT_BYTES = Math.max(MAX_BUNDLE_BYTES, MAX_REVOCATION_BYTES) + ENVELOPE
/** An emergency of all uses takes eight messages; two in a row must pass. A day of rotation takes two. */
const AUTHOR_RATE = 0.05
const AUTHOR_BURST = 20
/** Two sealing keys a day of each of 100,000 nodes. */
const EXPECTED_RATE = 3
const CLOCK_SKEW = 5 * 60_000

const announcementSchema = z.strictObject({
  kind: z.enum(['bundle', 'revocation', 'void']),
  document: z.instanceof(Uint8Array),
})
export type Announcement = z.output<typeof announcementSchema>

export function encodeAnnouncement(kind: Announcement['kind'], document: Uint8Array): Uint8Array {
  return encode({ kind, document })
}

/** @throws AskeeError `codec/*` */
export function decodeAnnouncement(bytes: Uint8Array): Announcement {
  return decode(bytes, announcementSchema, MAX_ANNOUNCEMENT_BYTES)
}

/**
 * The topic of this package with its rules, to be declared when the mesh is made. Only a node itself tells of its keys, and
 * anybody of an identity that an owner root declared void; what
 * it did not sign, or signed wrongly, is rejected; what is over, or of a clock too far ahead, is dropped without blame.
 */
export function keyTopics(clock: Clock): ReadonlyMap<TopicName, TopicRules> {
  return new Map([
    [
      KEYS_TOPIC,
      {
        maxBytes: MAX_ANNOUNCEMENT_BYTES,
        expectedRatePerSecond: EXPECTED_RATE,
        authorRatePerSecond: AUTHOR_RATE,
        authorBurst: AUTHOR_BURST,
        validate: ({ from, body }) => {
          try {
            const { kind, document } = decodeAnnouncement(body)
            if (kind === 'bundle') {
              return verifyKeyBundle(document, from).bundle.expires > clock.now() ? 'accept' : 'ignore'
            }
            if (kind === 'void') {
              // Two signatures inside say all: whoever brings it, for the node itself may be lost.
              return verifyIdentityVoid(document).at <= clock.now() + CLOCK_SKEW ? 'accept' : 'ignore'
            }
            const { revocation } = verifyKeyRevocation(document, from)
            return revocation.revokedAt <= clock.now() + CLOCK_SKEW ? 'accept' : 'ignore'
          } catch (error) {
            if (error instanceof AskeeError) return 'reject'
            throw error
          }
        },
      },
    ],
  ])
}
