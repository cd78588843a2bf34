import type { Clock, Milliseconds } from '@askee/core'

/** Time a task has been running and time it has been frozen, apart. */
export class Stopwatch {
  readonly #clock: Clock
  #running = 0
  #frozen = 0
  #since: number
  #state: 'running' | 'frozen' | 'stopped' = 'running'

  constructor(clock: Clock) {
    this.#clock = clock
    this.#since = clock.monotonic()
  }

  pause(): void {
    this.#turn('frozen')
  }

  resume(): void {
    this.#turn('running')
  }

  stop(): void {
    this.#turn('stopped')
  }

  running(): Milliseconds {
    return this.#running + (this.#state === 'running' ? this.#clock.monotonic() - this.#since : 0)
  }

  frozen(): Milliseconds {
    return this.#frozen + (this.#state === 'frozen' ? this.#clock.monotonic() - this.#since : 0)
  }

  #turn(next: 'running' | 'frozen' | 'stopped'): void {
    if (this.#state === 'stopped') return
    const now = this.#clock.monotonic()
    if (this.#state === 'running') this.#running += now - this.#since
    else this.#frozen += now - this.#since
    this.#since = now
    this.#state = next
  }
}
