import type { Digest, NodeId } from '@askee/core'

/** Outputs of results held here, by the requesters that they are for. */
export class ShownOutputs {
  readonly #held = new Map<string, number>()

  add(requester: NodeId, output: Digest): void {
    const key = keyOf(requester, output)
    this.#held.set(key, (this.#held.get(key) ?? 0) + 1)
  }

  /** One of the results is not held any more. */
  remove(requester: NodeId, output: Digest): void {
    const key = keyOf(requester, output)
    const left = (this.#held.get(key) ?? 0) - 1
    if (left > 0) this.#held.set(key, left)
    else this.#held.delete(key)
  }

  has(requester: NodeId, output: Digest): boolean {
    return this.#held.has(keyOf(requester, output))
  }

  clear(): void {
    this.#held.clear()
  }
}

function keyOf(requester: NodeId, output: Digest): string {
  return `${requester}/${output}`
}
