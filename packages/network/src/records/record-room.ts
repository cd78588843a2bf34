import { createHash } from 'node:crypto'
import { AskeeError, type NodeId } from '@askee/core'
import { MAX_HELD_RECORDS, MAX_RECORDS_PER_OWNER } from '../defaults.ts'

interface Held {
  readonly owner: NodeId
  /** XOR distance of the record's key from this node. */
  readonly distance: Uint8Array
}

/**
 * Which records are held. When there are too many, of one owner or in all, the farthest from this node gives way: an
 * owner that makes up names near this node displaces its own records.
 */
export class RecordRoom {
  readonly #self: NodeId
  readonly #point: Uint8Array
  readonly #held = new Map<string, Held>()
  readonly #counts = new Map<NodeId, number>()

  constructor(self: NodeId) {
    this.#self = self
    this.#point = createHash('sha256').update(self).digest()
  }

  /**
   * Takes a place for the entry.
   * @returns the entry that gives way, if one must
   * @throws AskeeError `mesh/full` when it would be the entry itself
   */
  take(entry: string, owner: NodeId, dhtKey: Uint8Array): string | undefined {
    if (this.#held.has(entry)) return undefined
    const hash = createHash('sha256').update(dhtKey).digest()
    const distance = hash.map((byte, i) => byte ^ (this.#point[i] as number))
    const ownerIsFull = owner !== this.#self && (this.#counts.get(owner) ?? 0) >= MAX_RECORDS_PER_OWNER
    let evicted: string | undefined
    if (ownerIsFull || this.#held.size >= MAX_HELD_RECORDS) {
      evicted = this.#farther(distance, ownerIsFull ? owner : undefined)
      if (evicted === undefined) throw new AskeeError('mesh/full', 'nearer records fill this node')
      this.release(evicted)
    }
    this.#held.set(entry, { owner, distance })
    this.#counts.set(owner, (this.#counts.get(owner) ?? 0) + 1)
    return evicted
  }

  release(entry: string): void {
    const held = this.#held.get(entry)
    if (held === undefined) return
    this.#held.delete(entry)
    const left = (this.#counts.get(held.owner) ?? 1) - 1
    if (left > 0) this.#counts.set(held.owner, left)
    else this.#counts.delete(held.owner)
  }

  /** The entry farthest from this node, of `owner` if given, when it is farther than `distance`. */
  #farther(distance: Uint8Array, owner: NodeId | undefined): string | undefined {
    let farthest: string | undefined
    let most = distance
    for (const [entry, held] of this.#held) {
      if (owner !== undefined && held.owner !== owner) continue
      if (Buffer.compare(held.distance, most) > 0) [farthest, most] = [entry, held.distance]
    }
    return farthest
  }
}
