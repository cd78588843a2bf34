import type { Milliseconds } from '../ids.ts'

/** Where waiting comes from. */
export interface Timers {
  /** Calls `callback` once after `delay`; the returned function cancels it. */
  after(delay: Milliseconds, callback: () => void): () => void
  /** Calls `callback` every `period`, the first time after one period; the returned function ends it. */
  every(period: Milliseconds, callback: () => void): () => void
  /** Resolves after `delay`; rejects with the signal's reason when aborted before. */
  sleep(delay: Milliseconds, signal?: AbortSignal): Promise<void>
}
