import type { Clock } from '@askee/core'

/** So many at once, and then so many a second, over whatever asks for them together. */
export function tokenBucket(
  clock: Clock,
  { burst, perSecond }: { burst: number; perSecond: number },
): () => boolean {
  let tokens = burst
  let at = clock.monotonic()
  return () => {
    const now = clock.monotonic()
    tokens = Math.min(burst, tokens + ((now - at) / 1000) * perSecond)
    at = now
    if (tokens < 1) return false
    tokens--
    return true
  }
}
