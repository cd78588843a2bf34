import { AskeeError } from '@askee/core'
import type { Database } from '@askee/store'
import type { CompleteSubtrees, Hash } from './merkle.ts'

/** The complete subtrees of a log on disk. */
export class StoredSubtrees implements CompleteSubtrees {
  readonly #select: ReturnType<Database['prepare']>
  readonly #insert: ReturnType<Database['prepare']>
  /** Those of the transaction that goes on; its statements see them on disk as well, this is only faster. */
  readonly #new = new Map<string, Hash>()

  constructor(database: Database) {
    this.#select = database.prepare('SELECT hash FROM audit_nodes WHERE level = ? AND idx = ?').pluck()
    this.#insert = database.prepare('INSERT INTO audit_nodes VALUES (?, ?, ?)')
  }

  at(level: number, index: number): Hash {
    const hash =
      this.#new.get(`${level}/${index}`) ?? (this.#select.get(level, index) as Uint8Array | undefined)
    if (hash === undefined) {
      throw new AskeeError('audit/damaged', `the log lacks the hash ${index} of level ${level}`, {
        level,
        index,
      })
    }
    return Uint8Array.from(hash)
  }

  /** @param completed what `completedBy(leaf, …)` gave */
  add(leaf: number, completed: readonly Hash[]): void {
    for (const [level, hash] of completed.entries()) {
      const index = Math.floor(leaf / 2 ** level)
      this.#insert.run(level, index, hash)
      this.#new.set(`${level}/${index}`, hash)
    }
  }

  /** The transaction is on disk, or undone. */
  written(): void {
    this.#new.clear()
  }
}
