import { AskeeError, type Milliseconds } from '@askee/core'
import { type Checkpoint, type CoveredMessages, joinLeaves, leafAt, MAX_LEAVES } from './checkpoint.ts'

/** A checkpoint is signed after this many messages of a direction … */
export const CHECKPOINT_MESSAGES = 128
/** … or when a message waits for one for this long. */
export const CHECKPOINT_PERIOD: Milliseconds = 60_000
/** Messages that one side takes without a checkpoint of the other: four of its batches. */
const MAX_UNCOVERED = 4 * CHECKPOINT_MESSAGES
/** Messages that may be vouched for before they come: as many as one checkpoint covers. */
const MAX_PROMISED = MAX_LEAVES
/** What waits longer for a checkpoint ends the session. */
const MAX_WAIT: Milliseconds = 3 * CHECKPOINT_PERIOD

/** Messages of so long have one time together. */
const MARK_PERIOD: Milliseconds = 1000

/** A message that only carries a checkpoint waits for none itself, or checkpoints would never end. */
export type Weight = 'waits' | 'carries'

/** Since when messages wait, as few times as do: a conversation may have hundreds under way. */
class Waiting {
  #marks: { to: number; readonly at: Milliseconds }[] = []

  add(seq: number, at: Milliseconds): void {
    const last = this.#marks.at(-1)
    if (last === undefined || at - last.at >= MARK_PERIOD) this.#marks.push({ to: seq, at })
    else last.to = Math.max(last.to, seq)
  }

  /** Nothing waits up to this sequence. */
  end(to: number): void {
    this.#marks = this.#marks.filter((mark) => mark.to > to)
  }

  /** For how long the oldest has waited, to a second; undefined when none does. */
  since(at: Milliseconds): Milliseconds | undefined {
    const [oldest] = this.#marks
    return oldest === undefined ? undefined : at - oldest.at
  }
}

/** What this side said: covered by its own checkpoints, kept until the other side has taken them. */
export class SentLedger {
  /** Leaves of the messages from `#first` on. */
  readonly #leaves: string[] = []
  #first = 1
  /** Up to here a checkpoint was sent. */
  #signedTo = 0
  readonly #unsigned = new Waiting()
  readonly #unacknowledged = new Waiting()

  /** Every message, in order. */
  add(leaf: string, at: Milliseconds, weight: Weight): void {
    this.#leaves.push(leaf)
    if (weight === 'carries') return
    this.#unsigned.add(this.#last, at)
    this.#unacknowledged.add(this.#last, at)
  }

  /** The other side took checkpoints up to here; what it cannot have taken is passed over. */
  acknowledge(to: number): void {
    if (to < this.#first || to > this.#signedTo) return
    this.#leaves.splice(0, to - this.#first + 1)
    this.#first = to + 1
    this.#unacknowledged.end(to)
  }

  /** Whether the next message should carry a checkpoint. */
  isDue(at: Milliseconds): boolean {
    if (this.#last - this.#signedTo >= CHECKPOINT_MESSAGES) return true
    return (this.#unsigned.since(at) ?? 0) >= CHECKPOINT_PERIOD
  }

  /** Whether a message was sent so long ago that a checkpoint for it should have been taken. */
  isUnacknowledged(at: Milliseconds): boolean {
    return (this.#unacknowledged.since(at) ?? 0) >= CHECKPOINT_PERIOD
  }

  /** Whether the other side takes no checkpoints: then this conversation must begin anew. */
  get isWorn(): boolean {
    return this.#leaves.length >= MAX_UNCOVERED
  }

  /** What the next checkpoint covers, or undefined when there is nothing. */
  next(): { first: number; last: number; leaves: Uint8Array } | undefined {
    const covered = this.#leaves.slice(0, MAX_LEAVES)
    if (covered.length === 0) return undefined
    return { first: this.#first, last: this.#first + covered.length - 1, leaves: joinLeaves(covered) }
  }

  /** A checkpoint up to here is on its way. */
  signed(to: number): void {
    this.#signedTo = Math.max(this.#signedTo, to)
    this.#unsigned.end(to)
  }

  get #last(): number {
    return this.#first + this.#leaves.length - 1
  }
}

/** What the other side said, until it vouches for it. */
export class ReceivedLedger {
  /** Sequence → leaf. */
  readonly #uncovered = new Map<number, string>()
  /** Leaves that the other side vouched for before their messages came. */
  readonly #promised = new Map<number, string>()
  readonly #waiting = new Waiting()
  #coveredTo = 0

  get coveredTo(): number {
    return this.#coveredTo
  }

  /** @throws AskeeError `session/unsigned`, `session/checkpoint-mismatch` */
  add(seq: number, leaf: string, at: Milliseconds, weight: Weight): void {
    if (seq <= this.#coveredTo) {
      const promised = this.#promised.get(seq)
      this.#promised.delete(seq)
      if (promised !== leaf) throw mismatch(seq)
      return
    }
    if (this.#uncovered.size >= MAX_UNCOVERED) {
      throw new AskeeError('session/unsigned', `${MAX_UNCOVERED} messages came without a checkpoint`)
    }
    this.#uncovered.set(seq, leaf)
    if (weight === 'waits') this.#waiting.add(seq, at)
  }

  /** Whether a message has waited for longer than its sender should let it. */
  isDue(at: Milliseconds): boolean {
    return (this.#waiting.since(at) ?? 0) >= CHECKPOINT_PERIOD
  }

  /** Whether a message has waited for so long that its sender does not mean to vouch for it. */
  isOverdue(at: Milliseconds): boolean {
    return (this.#waiting.since(at) ?? 0) > MAX_WAIT
  }

  /**
   * Takes a checkpoint of the other side, whose signature and leaves were verified. One that says nothing new is passed over.
   * @throws AskeeError `session/checkpoint-gap`, `session/checkpoint-mismatch`, `session/checkpoint-ahead`
   */
  cover({ first, last }: Checkpoint, { leaves }: CoveredMessages, oldestWanted: number): void {
    if (last <= this.#coveredTo) return
    if (first > this.#coveredTo + 1) {
      throw new AskeeError(
        'session/checkpoint-gap',
        `expected messages from ${this.#coveredTo + 1} on, received those from ${first} on`,
      )
    }
    for (let seq = this.#coveredTo + 1; seq <= last; seq++) {
      const leaf = leafAt(leaves, seq - first)
      const own = this.#uncovered.get(seq)
      if (own === undefined) this.#promised.set(seq, leaf)
      else if (own !== leaf) throw mismatch(seq)
      this.#uncovered.delete(seq)
    }
    this.#coveredTo = last
    this.#waiting.end(last)
    for (const seq of this.#promised.keys()) if (seq < oldestWanted) this.#promised.delete(seq)
    if (this.#promised.size > MAX_PROMISED) {
      throw new AskeeError(
        'session/checkpoint-ahead',
        `more than ${MAX_PROMISED} messages that it covers did not come`,
      )
    }
  }
}

function mismatch(seq: number): AskeeError {
  return new AskeeError('session/checkpoint-mismatch', `its checkpoint has another message ${seq}`)
}
