import type { Milliseconds, Timestamp } from '../ids.ts'

/** Where time comes from. */
export interface Clock {
  /** Wall clock; may jump when the person or a time server sets it. */
  now(): Timestamp
  /** Never goes back; zero is arbitrary. For spans and deadlines. */
  monotonic(): Milliseconds
}
