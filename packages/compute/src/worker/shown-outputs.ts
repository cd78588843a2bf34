import type { Digest, NodeId } from '@askee/core'

/** Outputs of results held here, by the requesters that they are for, with the consents that they are held under. */
export class ShownOutputs {
  readonly #held = new Map<string, string[]>()

  add(requester: NodeId, output: Digest, consent: string): void {
    const key = keyOf(requester, output)
    const held = this.#held.get(key)
    if (held === undefined) this.#held.set(key, [consent])
    else held.push(consent)
  }

  /** One of the results is not held any more. */
  remove(requester: NodeId, output: Digest, consent: string): void {
    const key = keyOf(requester, output)
    const held = this.#held.get(key) ?? []
    const at = held.indexOf(consent)
    if (at >= 0) held.splice(at, 1)
    if (held.length === 0) this.#held.delete(key)
  }

  /** A consent under which it is held for the requester. */
  consentOf(requester: NodeId, output: Digest): string | undefined {
    return this.#held.get(keyOf(requester, output))?.[0]
  }

  clear(): void {
    this.#held.clear()
  }
}

function keyOf(requester: NodeId, output: Digest): string {
  return `${requester}/${output}`
}
