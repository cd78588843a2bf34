import { type Clock, errorText, type Logger, type Mesh, type Milliseconds, type Timers } from '@askee/core'
import { CAMPAIGN_TOPIC } from '../protocol/topic.ts'

export interface AnnouncerComponents {
  readonly mesh: Mesh
  readonly clock: Clock
  readonly timers: Timers
  readonly logger: Logger
}

export interface AnnouncerInit {
  /** Shortest and longest time between two announcements of one campaign. */
  readonly first: Milliseconds
  readonly longest: Milliseconds
}

/** An announcement that goes on until it is ended. */
export interface Announcement {
  /** Starts over with short intervals: volunteers are wanted. */
  hurry(): void
  end(): void
}

/** A third of the time since the start lies between two announcements: soon at first, rarely later. */
export function announce(
  { mesh, clock, timers, logger }: AnnouncerComponents,
  { first, longest }: AnnouncerInit,
  manifest: Uint8Array,
): Announcement {
  let origin = clock.monotonic()
  let cancel = (): void => {}
  let ended = false
  const schedule = (): void => {
    const delay = Math.min(longest, Math.max(first, (clock.monotonic() - origin) / 3))
    cancel = timers.after(delay, publish)
  }
  const publish = (): void => {
    mesh
      .publish(CAMPAIGN_TOPIC, manifest)
      .catch((error: unknown) => logger.debug({ error: errorText(error) }, 'not announced'))
    if (!ended) schedule()
  }
  publish()
  return {
    hurry() {
      if (ended) return
      const now = clock.monotonic()
      if (now - origin < 3 * first) return
      origin = now
      cancel()
      schedule()
    },
    end() {
      ended = true
      cancel()
    },
  }
}
