import type { Clock } from './ports/clock.ts'
import type { Mesh, SignedRecord } from './ports/mesh.ts'

export interface PutNextOptions {
  /** Nodes that should acknowledge it. */
  readonly quorum: number
  readonly signal?: AbortSignal
  /** Whether what stands there says as much already; then nothing is put. Default: it never does. */
  readonly suffices?: (standing: SignedRecord) => boolean
}

/**
 * Puts this node's records above whatever stands there. By the clock alone a record that was put while the clock was ahead
 * would hide every later one until that time comes, and whoever does not hold it acknowledges all the same.
 */
export class OwnRecords {
  readonly #mesh: Pick<Mesh, 'self' | 'getRecord' | 'putRecord'>
  readonly #clock: Clock
  /** The last put of each record: two at once would take the same sequence. */
  readonly #lanes = new Map<string, Promise<void>>()

  constructor(components: {
    readonly mesh: Pick<Mesh, 'self' | 'getRecord' | 'putRecord'>
    readonly clock: Clock
  }) {
    this.#mesh = components.mesh
    this.#clock = components.clock
  }

  /**
   * Puts the next version, one of a record at a time.
   * @throws what the mesh says. When what stands there cannot be read, the record is put by the clock, and that is thrown
   * then: something newer may hide it, so it is to be put again
   */
  async putNext(draft: Omit<SignedRecord, 'owner' | 'sequence'>, options: PutNextOptions): Promise<void> {
    const lane = `${draft.namespace}/${draft.name}`
    const turn = (this.#lanes.get(lane) ?? Promise.resolve()).then(() => this.#put(draft, options))
    const over = turn.catch(() => undefined)
    this.#lanes.set(lane, over)
    try {
      await turn
    } finally {
      if (this.#lanes.get(lane) === over) this.#lanes.delete(lane)
    }
  }

  async #put(
    draft: Omit<SignedRecord, 'owner' | 'sequence'>,
    { quorum, signal, suffices = () => false }: PutNextOptions,
  ): Promise<void> {
    const key = { namespace: draft.namespace, owner: this.#mesh.self, name: draft.name }
    const within = signal === undefined ? {} : { signal }
    const [looked] = await Promise.allSettled([this.#mesh.getRecord(key, within)])
    signal?.throwIfAborted()
    const standing = looked.status === 'fulfilled' ? looked.value : undefined
    if (standing !== undefined && suffices(standing)) return
    const sequence = Math.max(this.#clock.now(), (standing?.sequence ?? -1) + 1)
    await this.#mesh.putRecord({ ...draft, sequence }, { quorum, ...within })
    if (looked.status === 'rejected') throw looked.reason
  }
}
