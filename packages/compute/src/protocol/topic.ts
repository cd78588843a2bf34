import type { Clock, TopicName, TopicRules } from '@askee/core'
import { isFromFuture, isPast, MAX_MANIFEST_BYTES, verifyManifest } from './manifest.ts'

/** Where campaigns are announced: signed manifests, nothing else. */
export const CAMPAIGN_TOPIC: TopicName = '/askee/topic/campaigns/1'

const ENVELOPE = 256
/**
 * Announcements a second of one requester. A campaign is announced every second at first and once a minute later, so that
 * this carries a hundred campaigns, and twenty that begin together; verifying more would cost every volunteer.
 */
const AUTHOR_RATE = 2
const AUTHOR_BURST = 20

/**
 * The topics of this package with their rules, to be declared when the mesh is made. A manifest that is not signed by
 * its author is rejected; one that is over, or not made yet, is dropped without blame, because clocks differ.
 */
export function computeTopics(clock: Clock): ReadonlyMap<TopicName, TopicRules> {
  return new Map([
    [
      CAMPAIGN_TOPIC,
      {
        maxBytes: MAX_MANIFEST_BYTES + ENVELOPE,
        expectedRatePerSecond: 5,
        authorRatePerSecond: AUTHOR_RATE,
        authorBurst: AUTHOR_BURST,
        validate: (message) => {
          const { manifest } = verifyManifest(message.body)
          if (manifest.requester !== message.from) return 'reject'
          const now = clock.now()
          return isPast(manifest, now) || isFromFuture(manifest, now) ? 'ignore' : 'accept'
        },
      },
    ],
  ])
}
