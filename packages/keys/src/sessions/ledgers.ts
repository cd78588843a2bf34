import { AskeeError, bytesEqual, concat, type Milliseconds } from '@askee/core'
import { type Checkpoint, type CoveredMessages, leafAt, MAX_LEAVES } from './checkpoint.ts'

/** A checkpoint is signed after this many messages of a direction … */
export const CHECKPOINT_MESSAGES = 128
/** … or when a message waits for one for this long. */
export const CHECKPOINT_PERIOD: Milliseconds = 60_000
/** Messages that one side takes without a checkpoint of the other: four of its batches. */
const MAX_UNCOVERED = 4 * CHECKPOINT_MESSAGES
/** What waits longer for a checkpoint ends the session. */
const MAX_WAIT: Milliseconds = 3 * CHECKPOINT_PERIOD

type Weight = 'waits' | 'carries'

interface Said {
  readonly leaf: Uint8Array
  /** Monotonic. */
  readonly at: Milliseconds
  /** What only carries a checkpoint waits for none itself, or checkpoints would never end. */
  readonly weight: Weight
}

/** What this side said: covered by its own checkpoints, kept until the other side has taken them. */
export class SentLedger {
  /** Messages from `#first` on. */
  readonly #said: Said[] = []
  #first = 1
  /** Up to here a checkpoint was sent. */
  #signedTo = 0
  /** When the oldest message without a checkpoint was sent. */
  #waitsSince: Milliseconds | undefined

  /** Every message, in order. */
  add(said: Said): void {
    this.#said.push(said)
    if (said.weight === 'waits') this.#waitsSince ??= said.at
  }

  /** The other side took checkpoints up to here; what it cannot have taken is passed over. */
  acknowledge(to: number): void {
    if (to < this.#first || to > this.#signedTo) return
    this.#said.splice(0, to - this.#first + 1)
    this.#first = to + 1
  }

  /** Whether the next message should carry a checkpoint. */
  isDue(at: Milliseconds): boolean {
    if (this.#last - this.#signedTo >= CHECKPOINT_MESSAGES) return true
    return this.#waitsSince !== undefined && at - this.#waitsSince >= CHECKPOINT_PERIOD
  }

  /** Whether a message was sent so long ago that a checkpoint for it should have been taken. */
  isUnacknowledged(at: Milliseconds): boolean {
    const oldest = this.#said.find(({ weight }) => weight === 'waits')
    return oldest !== undefined && at - oldest.at >= CHECKPOINT_PERIOD
  }

  /** Whether the other side takes no checkpoints: then this conversation must begin anew. */
  get isWorn(): boolean {
    return this.#said.length >= MAX_UNCOVERED
  }

  /** What the next checkpoint covers, or undefined when there is nothing. */
  next(): { first: number; last: number; leaves: Uint8Array } | undefined {
    const covered = this.#said.slice(0, MAX_LEAVES).map(({ leaf }) => leaf)
    if (covered.length === 0) return undefined
    return { first: this.#first, last: this.#first + covered.length - 1, leaves: concat(...covered) }
  }

  /** A checkpoint up to here is on its way. */
  signed(to: number): void {
    this.#signedTo = Math.max(this.#signedTo, to)
    if (to >= this.#last) this.#waitsSince = undefined
  }

  get #last(): number {
    return this.#first + this.#said.length - 1
  }
}

/** What the other side said, until it vouches for it. */
export class ReceivedLedger {
  readonly #uncovered = new Map<number, Said>()
  /** Leaves that the other side vouched for before their messages came. */
  readonly #promised = new Map<number, Uint8Array>()
  #coveredTo = 0
  #latest: CoveredMessages | undefined

  get coveredTo(): number {
    return this.#coveredTo
  }

  /** The newest checkpoint that was taken. */
  get latest(): CoveredMessages | undefined {
    return this.#latest
  }

  /** @throws AskeeError `session/unattributed`, `session/checkpoint-mismatch` */
  add(seq: number, said: Said): void {
    if (seq <= this.#coveredTo) {
      const promised = this.#promised.get(seq)
      this.#promised.delete(seq)
      if (promised === undefined || !bytesEqual(promised, said.leaf)) throw mismatch(seq)
      return
    }
    if (this.#uncovered.size >= MAX_UNCOVERED) {
      throw new AskeeError('session/unattributed', `${MAX_UNCOVERED} messages came without a checkpoint`)
    }
    this.#uncovered.set(seq, said)
  }

  /** Whether a message has waited for longer than its sender should let it. */
  isDue(at: Milliseconds): boolean {
    return at - this.#oldest(at) >= CHECKPOINT_PERIOD
  }

  /** Whether a message has waited for so long that its sender does not mean to vouch for it. */
  isOverdue(at: Milliseconds): boolean {
    return at - this.#oldest(at) > MAX_WAIT
  }

  #oldest(now: Milliseconds): Milliseconds {
    for (const { at, weight } of this.#uncovered.values()) if (weight === 'waits') return at
    return now
  }

  /**
   * Takes a checkpoint of the other side, whose signature and leaves were verified. One that says nothing new is passed over.
   * @throws AskeeError `session/checkpoint-gap`, `session/checkpoint-mismatch`
   */
  cover({ first, last }: Checkpoint, covered: CoveredMessages, oldestWanted: number): void {
    if (last <= this.#coveredTo) return
    if (first > this.#coveredTo + 1) {
      throw new AskeeError(
        'session/checkpoint-gap',
        `expected messages from ${this.#coveredTo + 1} on, received those from ${first} on`,
      )
    }
    for (let seq = this.#coveredTo + 1; seq <= last; seq++) {
      const leaf = leafAt(covered.leaves, seq - first)
      const own = this.#uncovered.get(seq)
      if (own === undefined) this.#promised.set(seq, Uint8Array.from(leaf))
      else if (!bytesEqual(own.leaf, leaf)) throw mismatch(seq)
      this.#uncovered.delete(seq)
    }
    this.#coveredTo = last
    this.#latest = covered
    for (const seq of this.#promised.keys()) if (seq < oldestWanted) this.#promised.delete(seq)
  }
}

function mismatch(seq: number): AskeeError {
  return new AskeeError('session/checkpoint-mismatch', `its checkpoint has another message ${seq}`)
}
