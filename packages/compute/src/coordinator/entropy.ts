import { createHash } from 'node:crypto'
import type { LeaseId } from '@askee/core'

/** Ids and ties drawn from the entropy of one event: the same event gives the same draws, so replay is exact. */
export class Entropy {
  readonly #seed: string
  #count = 0

  /** @param seed hexadecimal, at least 128 bits */
  constructor(seed: string) {
    this.#seed = seed
  }

  /** 128 bits. */
  leaseId(): LeaseId {
    return this.#draw().toString('hex', 0, 16) as LeaseId
  }

  /** Uniform in [0, 2^32). */
  word(): number {
    return this.#draw().readUInt32LE(0)
  }

  #draw(): Buffer {
    return createHash('sha256')
      .update(`${this.#seed}/${this.#count++}`)
      .digest()
  }
}
