import { AskeeError } from '@askee/core'

/**
 * Takes every sequence once (after RFC 4303, 3.4.3). What is further behind the newest than the window is refused as
 * overtaken, whether it came before or not; a window of 0 wants strict order.
 */
export class ReplayWindow {
  readonly #size: number
  readonly #seen: Uint8Array
  #top = 0

  /** @param size messages that may overtake one; at most 65,536 */
  constructor(size: number) {
    this.#size = size
    this.#seen = new Uint8Array(size + 1)
  }

  /** The newest sequence taken. */
  get top(): number {
    return this.#top
  }

  /** @throws AskeeError `session/replay`, `session/reordered` */
  claim(seq: number): void {
    if (seq < 1) throw new AskeeError('session/reordered', 'sequences begin with 1')
    const slots = this.#size + 1
    if (seq > this.#top) {
      if (seq - this.#top >= slots) this.#seen.fill(0)
      else for (let passed = this.#top + 1; passed < seq; passed++) this.#seen[passed % slots] = 0
      this.#top = seq
    } else {
      if (seq === this.#top || (seq >= this.#top - this.#size && this.#seen[seq % slots] === 1)) {
        throw new AskeeError('session/replay', `message ${seq} of this session came before`)
      }
      if (seq < this.#top - this.#size) {
        throw new AskeeError('session/reordered', `message ${seq} comes after ${this.#top}; send it again`)
      }
    }
    this.#seen[seq % slots] = 1
  }
}
