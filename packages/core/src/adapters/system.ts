import { randomBytes, randomInt } from 'node:crypto'
import { setTimeout as sleepFor } from 'node:timers/promises'
import type { Clock } from '../ports/clock.ts'
import type { Random } from '../ports/random.ts'
import type { Timers } from '../ports/timers.ts'

/** The machine's clocks. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
}

/** The operating system's entropy. */
export const systemRandom: Random = {
  bytes: (length) => new Uint8Array(randomBytes(length)),
  below: (bound) => randomInt(bound),
}

/** The event loop's timers. */
export const systemTimers: Timers = {
  after(delay, callback) {
    const handle = setTimeout(callback, delay)
    return () => clearTimeout(handle)
  },
  every(period, callback) {
    const handle = setInterval(callback, period)
    return () => clearInterval(handle)
  },
  async sleep(delay, signal) {
    await sleepFor(delay, undefined, signal === undefined ? {} : { signal })
  },
}
