import { AskeeError, type Clock, type Milliseconds, type Timers } from '@askee/core'

/** `message`: what somebody waits for, ahead of every `block`. */
export type Urgency = 'message' | 'block'

interface Waiting {
  readonly bytes: number
  readonly go: () => void
}

/** The largest message, or chunk of a block, with its frames. Bytes. */
const LARGEST_BYTES = 1.25 * 1024 * 1024
/** Timers are no more exact than some milliseconds: what a fast line carries meanwhile is not lost. */
const SLACK_MS = 100
/** Longest wait before it is looked again: a timer holds no more than 24 days. */
const LONGEST_WAIT_MS = 60_000
/** Sums of fractions. */
const ROUNDING = 1e-6

/**
 * A token bucket that makes who wants more wait, in order, messages before blocks. What is sent is paid for first; what is
 * known only after it came is owed by those who come next.
 */
export class BandwidthShare {
  readonly #clock: Clock
  readonly #timers: Timers
  readonly #waiting: Record<Urgency, Waiting[]> = { message: [], block: [] }
  #bytesPerMs: number
  #tokens: number
  #at: Milliseconds
  #cancelTimer = (): void => {}

  /** @param bytesPerSecond averaged; at first so much more is free at once as a burst may be */
  constructor(components: { readonly clock: Clock; readonly timers: Timers }, bytesPerSecond: number) {
    this.#clock = components.clock
    this.#timers = components.timers
    this.#bytesPerMs = bytesPerSecond / 1000
    this.#tokens = this.#burst
    this.#at = this.#clock.monotonic()
  }

  /** The rate from now on. */
  set bytesPerSecond(bytesPerSecond: number) {
    this.#refill()
    this.#bytesPerMs = bytesPerSecond / 1000
  }

  /**
   * Resolves when so many bytes may travel.
   * @param limit ends the waiting; longer than `within` nobody waits
   * @throws AskeeError `mesh/rate-limited`, or the signal's reason
   */
  async take(
    bytes: number,
    urgency: Urgency,
    limit: { readonly signal?: AbortSignal; readonly within?: Milliseconds } = {},
  ): Promise<void> {
    const { signal, within } = limit
    signal?.throwIfAborted()
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const waiting: Waiting = { bytes, go: resolve }
    const queue = this.#waiting[urgency]
    queue.push(waiting)
    this.#pump()
    if (!queue.includes(waiting)) return
    const leave = (why: unknown): void => {
      const at = queue.indexOf(waiting)
      if (at < 0) return
      queue.splice(at, 1)
      reject(why)
      this.#pump()
    }
    const onAbort = (): void => leave(signal?.reason)
    signal?.addEventListener('abort', onAbort, { once: true })
    const cancel =
      within === undefined
        ? (): void => {}
        : this.#timers.after(within, () =>
            leave(new AskeeError('mesh/rate-limited', `${bytes} bytes are more than the consent allows now`)),
          )
    try {
      await promise
    } finally {
      cancel()
      signal?.removeEventListener('abort', onAbort)
    }
  }

  /** So many bytes of what was taken did not travel. */
  giveBack(bytes: number): void {
    this.#refill()
    this.#tokens = Math.min(this.#burst, this.#tokens + bytes)
    this.#pump()
  }

  /** So many bytes travelled that nobody had taken. */
  owe(bytes: number): void {
    this.#refill()
    this.#tokens -= bytes
  }

  /** All is paid for, and nobody waits: it is as a new one. */
  get isFresh(): boolean {
    this.#refill()
    const { message, block } = this.#waiting
    return this.#tokens >= this.#burst && message.length === 0 && block.length === 0
  }

  get #burst(): number {
    return Math.max(LARGEST_BYTES, this.#bytesPerMs * SLACK_MS)
  }

  #refill(): void {
    const now = this.#clock.monotonic()
    this.#tokens = Math.min(this.#burst, this.#tokens + (now - this.#at) * this.#bytesPerMs)
    this.#at = now
  }

  #pump(): void {
    this.#cancelTimer()
    this.#refill()
    const { message, block } = this.#waiting
    for (;;) {
      const queue = message.length > 0 ? message : block
      const first = queue[0]
      if (first === undefined) return
      const missing = Math.min(first.bytes, this.#burst) - this.#tokens
      if (missing > ROUNDING) {
        const wait = Math.min(LONGEST_WAIT_MS, Math.ceil(missing / this.#bytesPerMs))
        this.#cancelTimer = this.#timers.after(wait, () => this.#pump())
        return
      }
      this.#tokens -= first.bytes
      queue.shift()
      first.go()
    }
  }
}
