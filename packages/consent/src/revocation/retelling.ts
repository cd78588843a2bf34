import {
  type Clock,
  errorText,
  type Logger,
  type Mesh,
  type Milliseconds,
  type Timers,
  utf8,
} from '@askee/core'
import { REVOCATION_TOPIC } from './topic.ts'

/** Times that a revocation is gossiped: with doubling waits, over four minutes. Later ones are told by request and record. */
const ROUNDS = 8

interface Told {
  readonly certificate: string
  rounds: number
  /** Monotonic. */
  due: Milliseconds
}

/**
 * Gossips revocations, each at once and then again with doubling waits, for those whom a split of the mesh kept from
 * hearing it. A new one goes before every repetition, and there is one repetition at a time: however many consents a person
 * revokes at once, what is repeated never uses up the rate that the topic gives this node.
 */
export class Retelling {
  readonly #components: {
    readonly mesh: Mesh
    readonly clock: Clock
    readonly timers: Timers
    readonly logger: Logger
  }
  readonly #first: Milliseconds
  readonly #told = new Map<string, Told>()
  #end: (() => void) | null = null
  #isBusy = false

  /** @param first wait before the first repetition, and between two looks at what is due */
  constructor(
    components: {
      readonly mesh: Mesh
      readonly clock: Clock
      readonly timers: Timers
      readonly logger: Logger
    },
    first: Milliseconds,
  ) {
    this.#components = components
    this.#first = first
  }

  add(certificate: string): void {
    this.#told.set(certificate, { certificate, rounds: 0, due: Number.NEGATIVE_INFINITY })
    this.#end ??= this.#components.timers.every(this.#first, () => void this.#round())
    void this.#round()
  }

  stop(): void {
    this.#end?.()
    this.#end = null
    this.#told.clear()
  }

  async #round(): Promise<void> {
    if (this.#isBusy) return
    this.#isBusy = true
    try {
      for (let next = this.#fresh(); next !== undefined; next = this.#fresh()) {
        if (!(await this.#publish(next))) return
      }
      const due = this.#due()
      if (due !== undefined) await this.#publish(due)
    } finally {
      this.#isBusy = false
    }
  }

  #fresh(): Told | undefined {
    return [...this.#told.values()].find(({ rounds }) => rounds === 0)
  }

  /** What waits longest; what was said often enough is dropped. */
  #due(): Told | undefined {
    const at = this.#components.clock.monotonic()
    for (const { certificate, rounds } of [...this.#told.values()]) {
      if (rounds >= ROUNDS) this.#told.delete(certificate)
    }
    if (this.#told.size === 0) {
      this.#end?.()
      this.#end = null
    }
    return [...this.#told.values()].filter(({ due }) => at >= due).sort((a, b) => a.due - b.due)[0]
  }

  /** False when it could not be said now: nobody is there, or too much was said lately. The next round is the next chance. */
  async #publish(told: Told): Promise<boolean> {
    const { mesh, clock, logger } = this.#components
    try {
      await mesh.publish(REVOCATION_TOPIC, utf8(told.certificate))
    } catch (error) {
      logger.debug({ error: errorText(error) }, 'a revocation was not published')
      return false
    }
    told.due = clock.monotonic() + this.#first * 2 ** told.rounds++
    return true
  }
}
