import type { Clock } from '../ports/clock.ts'
import type { Random } from '../ports/random.ts'
import type { Timers } from '../ports/timers.ts'

/** Time that passes only when told to: for tests and simulation. */
export class VirtualTime implements Clock, Timers {
  #now: number
  #sequence = 0
  readonly #pending = new Map<number, { at: number; callback: () => void }>()

  constructor(start = 1_700_000_000_000) {
    this.#now = start
  }

  now(): number {
    return this.#now
  }

  monotonic(): number {
    return this.#now
  }

  after(delay: number, callback: () => void): () => void {
    const id = this.#sequence++
    this.#pending.set(id, { at: this.#now + Math.max(0, delay), callback })
    return () => this.#pending.delete(id)
  }

  every(period: number, callback: () => void): () => void {
    let cancel = (): void => {}
    const again = (): void => {
      cancel = this.after(period, () => {
        again()
        callback()
      })
    }
    again()
    return () => cancel()
  }

  sleep(delay: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const cancel = this.after(delay, resolve)
      signal?.addEventListener('abort', () => {
        cancel()
        reject(signal.reason)
      })
    })
  }

  /** Runs every callback due within `span`, in order of time, letting promises settle between them. */
  async advance(span: number): Promise<void> {
    const end = this.#now + span
    for (;;) {
      await new Promise<void>((resolve) => setImmediate(resolve))
      let next: [number, { at: number; callback: () => void }] | undefined
      for (const entry of this.#pending) if (next === undefined || entry[1].at < next[1].at) next = entry
      if (next === undefined || next[1].at > end) break
      this.#pending.delete(next[0])
      this.#now = next[1].at
      next[1].callback()
    }
    this.#now = end
  }
}

/** Reproducible entropy (SplitMix32); never for keys. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x9e3779b9) >>> 0
    let z = state
    z = Math.imul(z ^ (z >>> 16), 0x85ebca6b)
    z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35)
    return (z ^ (z >>> 16)) >>> 0
  }
  return {
    bytes: (length) => Uint8Array.from({ length }, () => next() & 0xff),
    below: (bound) => Math.floor((next() / 0x1_0000_0000) * bound),
  }
}
